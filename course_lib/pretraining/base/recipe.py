"""The base model: shards of the corpus, the training loop, and figures against the floor."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.architecture.decoder import Decoder, ModelConfig, save_model
from course_lib.data.mixing.corpus import corpus_tokens, tokenized_split
from course_lib.data.mixing.loader import LoaderConfig, PackedLoader
from course_lib.data.mixing.packing import Packed
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.loop.train import StepLog, TrainConfig, train
from course_lib.pretraining.loop.validation import validation_loss


@dataclass(frozen=True, kw_only=True)
class BaseConfig:
    """Model and run: ``batch_size`` packed rows of ``seq_len`` tokens a step."""

    model: ModelConfig
    seq_len: int
    steps: int
    batch_size: int
    lr: float
    seed: int = 0

    def loader(self) -> LoaderConfig:
        """How the corpus is fed: packed as a whole, its rows shuffled every epoch."""
        return LoaderConfig(
            seq_len=self.seq_len, batch_size=self.batch_size, window=None, seed=self.seed
        )

    def run(self) -> TrainConfig:
        """The training loop's configuration."""
        return TrainConfig(
            steps=self.steps, batch_size=self.batch_size, lr=self.lr, seed=self.seed, save_every=200
        )


class Curve:
    """The run's log, kept on disk as it grows, so that a run that resumes has the whole of it.

    Every ``every`` steps it takes the loss on held-out rows as well.
    """

    def __init__(self, path: Path, held_out: Packed, eos_id: int, every: int = 200):
        self.path, self.eos_id, self.every = path, eos_id, every
        self.held_out = held_out[:128]

    def add(self, log: StepLog, model: Decoder) -> None:
        """Append a line: step, training loss, and now and then the held-out loss."""
        line = {"step": log.step, "loss": log.loss, "lr": log.lr, "grad_norm": log.grad_norm}
        if log.step % self.every == 0:
            line["held_out"] = validation_loss(model, self.held_out, self.eos_id).per_token
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self, path: Path) -> None:
        """Write the log in the order of steps; a step that a resumed run repeats counts once."""
        lines = {line["step"]: line for line in map(json.loads, self.path.read_text().splitlines())}
        path.write_text(json.dumps([lines[step] for step in sorted(lines)]))


def build_base(
    config: BaseConfig,
    parents: dict[str, Path],
    out: Path,
    work: Path,
    progress: Callable[[float, str], None],
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Train the base model on the corpus; figures: its loss and gap on the validation split.

    Raises ValueError where the tokenizer's vocabulary isn't the model's.
    """
    tokenizer = Tokenizer.load(parents["tokenizer"] / "tokenizer.json")
    if tokenizer.vocab_size != config.model.vocab_size:
        raise ValueError(
            f"model.vocab_size={config.model.vocab_size}: the tokenizer has {tokenizer.vocab_size}"
        )
    shards = corpus_tokens(parents["corpus"], "train", tokenizer, work / "tokens")
    held_out = tokenized_split(parents["corpus"], "validation", tokenizer, config.seq_len)
    generator = torch.Generator().manual_seed(config.seed)
    model = Decoder(config.model, generator=generator).to(device)

    curve = Curve(work / "curve.jsonl", held_out.packed, tokenizer.eos_id)

    def report(log: StepLog) -> None:
        curve.add(log, model)
        progress(log.step / config.steps, f"step {log.step}, loss {log.loss:.3f}")

    train(
        model,
        PackedLoader(shards, config.loader()).batch_at,
        config.run(),
        eos_id=tokenizer.eos_id,
        checkpoint=work / "checkpoints",
        on_log=report,
    )
    save_model(model, out)
    curve.save(out / "curve.json")
    loss = validation_loss(model, held_out.packed, tokenizer.eos_id)
    floor = held_out.floor_nats
    return {
        "parameters": float(sum(p.numel() for p in model.parameters())),
        "nats_per_token": loss.per_token,
        "floor_nats_per_token": floor / loss.tokens,
        "gap_nats_per_token": (loss.nats - floor) / loss.tokens,
        "bits_per_byte": loss.bits_per_byte(held_out.text_bytes),
    }
