"""Supervised fine-tuning: a base model learns to answer, in a chat format.

Pages and their code:
    chat: ask, lora, masking, synthetic, train
Shared:
    recipe: the artifact `sft`
"""

from course_lib.sft.ask import ask, ask_few_shot
from course_lib.sft.lora import LoraLinear, add_lora, merge_lora, trainable_share
from course_lib.sft.masking import Example, answer_only, pack_rows, pad_rows, target_logprobs
from course_lib.sft.synthetic import Instruction, InstructionConfig, encode, instructions
from course_lib.sft.train import FineTuneConfig, fine_tune, fresh_embeddings

__all__ = [
    "Example",
    "FineTuneConfig",
    "Instruction",
    "InstructionConfig",
    "LoraLinear",
    "add_lora",
    "answer_only",
    "ask",
    "ask_few_shot",
    "encode",
    "fine_tune",
    "fresh_embeddings",
    "instructions",
    "merge_lora",
    "pack_rows",
    "pad_rows",
    "target_logprobs",
    "trainable_share",
]
