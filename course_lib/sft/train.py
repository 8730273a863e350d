"""Supervised fine-tuning: pretraining's own loop on masked chat rows, with replayed corpus rows.

The loss of a step is the mean over the counted tokens of both halves of the batch,

    L = - mean over t of log p(x_{t+1} | x_{<=t}),   t in replies  or  t in replayed documents.

Replay (rehearsal; Robins 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal") keeps what
the base model knew: gradient steps on chat alone overwrite it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.packing import Packed, batch
from course_lib.pretraining.loop.train import StepLog, TrainConfig, train
from course_lib.sft.masking import Example, Rows, join_rows, pack_rows


@dataclass(frozen=True, kw_only=True)
class FineTuneConfig:
    """How long and how fast to fine-tune, and how much of the corpus to replay.

    batch_size, replay_batch_size: packed rows a step of chat and of the corpus.
    """

    steps: int
    batch_size: int = 8
    replay_batch_size: int = 4
    seq_len: int = 128
    lr: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch_size", 1), ("replay_batch_size", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least {least}")


def fresh_embeddings(model: Decoder, ids: Sequence[int], generator: torch.Generator) -> None:
    """Give tokens that pretraining never showed new embeddings, drawn like those of seen tokens.

    A tied softmax pushes every never-seen token the same way: their embeddings collapse onto one
    over-long vector, and the model can't tell <|user|> from <|end|>. New ones are drawn from
    N(mean, std) of all other rows, coordinate by coordinate (Hewitt 2021, "Initializing New Word
    Embeddings for Pretrained Language Models", uses the full covariance).
    """
    with torch.no_grad():
        weight = model.embed.weight
        seen = torch.ones(len(weight), dtype=torch.bool)
        seen[list(ids)] = False
        mean, std = weight[seen].mean(0), weight[seen].std(0)
        noise = torch.randn(len(ids), weight.shape[1], generator=generator)
        weight[list(ids)] = mean + std * noise.to(weight.device)


def sft_batches(
    examples: Sequence[Example], config: FineTuneConfig, *, eos_id: int, replay: Packed | None
) -> Callable[[int], Rows]:
    """batch_at(step), a pure function of the step: a killed run resumes with the same batches.

    The chat rows come in shuffled epochs, the replayed rows after them in the batch.
    """
    chat = Packed(*pack_rows(examples, config.seq_len, eos_id))

    def batch_at(step: int) -> Rows:
        rows = batch(chat, step, config.batch_size, seed=config.seed)
        if replay is None or config.replay_batch_size == 0:
            return rows
        again = batch(replay, step, config.replay_batch_size, seed=config.seed + 1)
        return join_rows(rows, again, eos_id)

    return batch_at


def fine_tune(
    model: Decoder,
    examples: Sequence[Example],
    config: FineTuneConfig,
    *,
    eos_id: int,
    replay: Packed | None = None,
    checkpoint: Path | None = None,
    on_log: Callable[[StepLog], None] | None = None,
) -> list[StepLog]:
    """Train `model` in place on the replies of `examples`; returns the log of its steps."""
    batch_at = sft_batches(examples, config, eos_id=eos_id, replay=replay)
    plan = TrainConfig(
        steps=config.steps,
        batch_size=config.batch_size + (config.replay_batch_size if replay is not None else 0),
        lr=config.lr,
        weight_decay=0.0,
        seed=config.seed,
    )
    return train(model, batch_at, plan, eos_id=eos_id, checkpoint=checkpoint, on_log=on_log)
