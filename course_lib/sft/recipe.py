"""The artifact `sft`: the base model, taught to answer questions in the chat format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.architecture.decoder import Decoder, load_model, save_model
from course_lib.data.mixing.corpus import tokenized_split
from course_lib.data.recipe import read_world
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.loop.train import StepLog
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.sft.ask import ask
from course_lib.sft.synthetic import InstructionConfig, encode, instructions
from course_lib.sft.train import FineTuneConfig, fine_tune, fresh_embeddings
from course_lib.world import World, exam

KINDS = ("fact", "sum", "where", "count", "stranger")


@dataclass(frozen=True, kw_only=True)
class SFTConfig:
    """examples: instructions in all; replay_documents: corpus documents to draw replay from."""

    examples: int
    steps: int
    seed: int = 0
    batch_size: int = 7
    replay_batch_size: int = 3
    lr: float = 6e-4
    replay_documents: int = 8_000
    exam_questions: int = 100

    def instructions(self) -> InstructionConfig:
        """The mix of kinds at this size."""
        return InstructionConfig(total=self.examples, seed=self.seed)

    def training(self, seq_len: int) -> FineTuneConfig:
        """The training run at this size."""
        return FineTuneConfig(
            steps=self.steps,
            batch_size=self.batch_size,
            replay_batch_size=self.replay_batch_size,
            seq_len=seq_len,
            lr=self.lr,
            seed=self.seed,
        )


def prepare(model: Decoder, tokenizer: Tokenizer, seed: int = 0) -> Decoder:
    """The chat tokens get fresh embeddings, in place."""
    chat_ids = (tokenizer.user_id, tokenizer.assistant_id, tokenizer.end_id)
    fresh_embeddings(model, chat_ids, torch.Generator().manual_seed(seed))
    return model


def accuracies(
    model: Decoder, tokenizer: Tokenizer, world: World, *, split: str, number: int, seed: int = 0
) -> dict[str, float]:
    """Share of right answers by kind of question, on `number` questions of each."""
    questions = [q for k in KINDS for q in world.questions(split, number, seed, kinds=(k,))]
    results = exam(world, questions, ask(model, tokenizer, questions))
    return {f"accuracy_{kind}": result.rate for kind, result in results.items()}


def build_sft(
    config: SFTConfig,
    parents: dict[str, Path],
    out: Path,
    work: Path,
    progress: Callable[[float, str], None],
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Fine-tune the base model on the world's instructions, with replay of the corpus."""
    tokenizer = Tokenizer.load(parents["tokenizer"] / "tokenizer.json")
    world = read_world(parents["corpus"])
    model = prepare(load_model(parents["base"]), tokenizer, config.seed).to(device)
    seq_len = model.config.max_seq // 2
    replay = tokenized_split(
        parents["corpus"], "train", tokenizer, seq_len, config.replay_documents
    ).packed
    examples = [encode(tokenizer, i) for i in instructions(world, config.instructions())]

    def report(log: StepLog) -> None:
        progress(log.step / config.steps, f"step {log.step}, loss {log.loss:.3f}")

    fine_tune(
        model,
        examples,
        config.training(seq_len),
        eos_id=tokenizer.eos_id,
        replay=replay,
        checkpoint=work / "checkpoints",
        on_log=report,
    )
    save_model(model, out)
    held_out = tokenized_split(parents["corpus"], "validation", tokenizer, seq_len, 2_000).packed
    figures = accuracies(model, tokenizer, world, split="validation", number=config.exam_questions)
    loss = validation_loss(model, held_out, tokenizer.eos_id).per_token
    return figures | {"nats_per_token": loss}
