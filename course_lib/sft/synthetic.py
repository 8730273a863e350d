"""Instructions made by the world: questions with the replies that the model is to imitate.

The world knows the answer to each of its questions, so nobody has to write or check these pairs.
Real instruction data is written by people or by a larger model; the interface is the same.
"""

import math
import random
from dataclasses import dataclass

from course_lib.data.tokenization.chat import prompt_ids, reply_ids
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.sft.masking import Example
from course_lib.world import Question, World


@dataclass(frozen=True, kw_only=True)
class InstructionConfig:
    """How many instructions, the share of each kind, and how many counting replies show work."""

    total: int
    fact: float = 0.24
    sum: float = 0.07
    where: float = 0.40
    count: float = 0.22
    stranger: float = 0.07
    worked: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.worked <= 1:
            raise ValueError(f"worked must be a share in 0..1, got {self.worked}")
        if abs(math.fsum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"the shares {self.shares} must add up to 1")

    @property
    def shares(self) -> dict[str, float]:
        """Kind of question -> share."""
        return {k: getattr(self, k) for k in ("fact", "sum", "where", "count", "stranger")}


@dataclass(frozen=True)
class Instruction:
    """A question, and the reply that SFT teaches for it."""

    question: Question
    reply: str


def instructions(
    world: World, config: InstructionConfig, split: str = "train"
) -> list[Instruction]:
    """The world's questions of one split with replies, shuffled; the same for the same seed."""
    rng = random.Random(config.seed)
    made: list[Instruction] = []
    for kind, share in config.shares.items():
        number = round(share * config.total)
        for question in world.questions(split, number, rng.randrange(2**31), kinds=(kind,)):
            shows_work = question.worked is not None and rng.random() < config.worked
            made.append(Instruction(question, question.worked if shows_work else question.answer))
    rng.shuffle(made)
    return made


def encode_prompt(tokenizer: Tokenizer, question: str) -> list[int]:
    """The question in the chat format, up to where the model's reply begins."""
    return prompt_ids(tokenizer, [{"role": "user", "content": question}])


def encode(tokenizer: Tokenizer, instruction: Instruction) -> Example:
    """An instruction in the chat format, as token ids."""
    return Example(
        tuple(encode_prompt(tokenizer, instruction.question.prompt)),
        tuple(reply_ids(tokenizer, instruction.reply)),
    )
