"""Train short, test long: the same small decoder under five ways to tell a position.

The text is a newspaper of a village that exists for one row alone: its few people and their facts
are drawn anew for every row. What a fact is can only be known from earlier in the same row, so a
longer row is worth something to a model that can use it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from course_lib import lineage, runtime
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.positions import (
    angle_tables,
    interpolated_rates,
    ntk_theta,
    rope_rates,
    yarn_tables,
)
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.experiments import experiment, once
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.world import World, WorldConfig

STRETCHES = ("as trained", "interpolated", "NTK", "YaRN")


@dataclass(frozen=True, kw_only=True)
class LengthConfig:
    """Sizes of the study. Lengths are in tokens."""

    positions: tuple[str, ...] = ("none", "learned", "sinusoidal", "alibi", "rope")
    seeds: tuple[int, ...] = (0, 1, 2)
    trained: int = 128
    tested: int = 512
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_ff: int = 128
    steps: int = 500
    batch_size: int = 8
    lr: float = 4e-3
    test_rows: int = 64
    bin: int = 32
    tune_steps: int = 40
    tune_lr: float = 1e-3

    def model(self, vocab_size: int, position: str) -> ModelConfig:
        """The decoder of one variant, with room for the long rows."""
        return ModelConfig(
            vocab_size=vocab_size,
            d_model=self.d_model,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.n_heads,
            d_ff=self.d_ff,
            max_seq=self.tested,
            position=position,
        )


def newspaper(tokenizer: Tokenizer, seed: int, length: int) -> list[int]:
    """`length` + 1 token ids of short biographies from village `seed`, each behind an <|eos|>.

    Eight people, the first of whom is most of the news (weights 1 / rank^2).
    """
    village = WorldConfig(
        seed=seed, people=8, strangers=8, zipf=2.0, zipf_offset=1, mix=(1.0, 0.0, 0.0, 0.0)
    )
    world, ids, number = World(village), [], 0
    while len(ids) <= length:
        ids += [tokenizer.eos_id, *tokenizer.encode(world.sample((seed << 20) + number).text)]
        number += 1
    return ids[: length + 1]


def newspapers(
    tokenizer: Tokenizer, first: int, rows: int, length: int
) -> Int[Tensor, "rows seq_plus_one"]:
    """The newspapers of villages `first`, `first` + 1, ...: one a row."""
    return torch.tensor([newspaper(tokenizer, first + i, length) for i in range(rows)])


def train_short(
    position: str,
    seed: int,
    config: LengthConfig,
    rows: Int[Tensor, "rows seq_plus_one"],
    vocab_size: int,
) -> Decoder:
    """A decoder trained on rows of `config.trained` tokens, each token seeing all before it."""
    generator = torch.Generator().manual_seed(seed)
    model = Decoder(config.model(vocab_size, position), generator).to(runtime.device())
    plan = TrainConfig(steps=config.steps, batch_size=config.batch_size, lr=config.lr, seed=seed)
    train(model, batches(rows, config.batch_size, seed), plan)
    return model


def batches(
    rows: Int[Tensor, "rows seq_plus_one"], batch_size: int, seed: int
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """batch_at(step) for `train`: epochs of the rows in an order of the seed."""
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(rows), generator=generator) for _ in range(8)]
    order = torch.cat(orders)

    def batch_at(step: int) -> tuple[Tensor, Tensor]:
        chosen = rows[order[step * batch_size : (step + 1) * batch_size]]
        return chosen[:, :-1], chosen[:, 1:]

    return batch_at


@torch.no_grad()
def loss_by_position(
    model: Decoder, rows: Int[Tensor, "rows seq_plus_one"], width: int
) -> Float[Tensor, " bins"]:
    """Mean loss in nats a token of positions 0 to width - 1, the next `width`, and so on."""
    rows = rows.to(next(model.parameters()).device)
    logits = model(rows[:, :-1])
    losses = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
    return losses.view(len(rows), -1, width).mean((0, 2)).cpu()


def stretched(model: Decoder, how: str, *, trained: int, tested: int, **change: object) -> Decoder:
    """A copy of a RoPE decoder for rows of `tested` tokens: other cos and sin, the same weights.

    `how` is one of `STRETCHES`; `change` goes into the copy's config (a `sliding_window`, say).
    """
    config = replace(model.config, max_seq=tested, **change)
    copy = Decoder(config).to(next(model.parameters()).device)
    copy.load_state_dict(model.state_dict())
    d_head, theta, factor = config.d_head, config.rope_theta, tested / trained
    if how == "as trained":
        return copy.eval()
    if how == "interpolated":
        tables = angle_tables(tested, interpolated_rates(d_head, theta, factor))
    elif how == "NTK":
        tables = angle_tables(tested, rope_rates(d_head, ntk_theta(theta, d_head, factor)))
    elif how == "YaRN":
        tables = yarn_tables(tested, d_head, theta, factor=factor, original_max_seq=trained)
    else:
        raise ValueError(f"how is {how!r}, expected one of {', '.join(STRETCHES)}")
    copy.cos, copy.sin = (table.to(copy.cos.device) for table in tables)
    return copy.eval()


def tune(model: Decoder, rows: Int[Tensor, "rows seq_plus_one"], steps: int, lr: float) -> Decoder:
    """Train the model on, on the long rows, two a step; in place, and returned."""
    plan = TrainConfig(steps=steps, batch_size=2, lr=lr, warmup=0.1)
    train(model, batches(rows, 2, seed=0), plan)
    return model


@experiment(config=LengthConfig())
def positions(config: LengthConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Loss by position of every variant and seed, and of the stretched RoPE decoders."""
    tokenizer = lineage.tokenizer()
    n_train = math.ceil(config.steps * config.batch_size / 2)  # two epochs
    short = newspapers(tokenizer, 10_000, n_train, config.trained)
    long = newspapers(tokenizer, 1_000, 2 * config.tune_steps, config.tested)
    test = newspapers(tokenizer, 0, config.test_rows, config.tested)
    runs, total = [], len(config.seeds) * len(config.positions)
    for seed in config.seeds:
        for position in config.positions:
            progress(len(runs) / total, f"seed {seed}: {position}")

            def trained(position: str = position, seed: int = seed) -> dict:
                model = train_short(position, seed, config, short, tokenizer.vocab_size)
                run = {"seed": seed, "position": position, "loss": _losses(model, test, config)}
                return run | (_stretches(model, long, test, config) if position == "rope" else {})

            runs.append(once(work / f"{position}-{seed}.json", trained))
    return {"runs": runs}


def _losses(model: Decoder, test: Tensor, config: LengthConfig) -> list[float]:
    return [round(x, 5) for x in loss_by_position(model, test, config.bin).tolist()]


def _stretches(model: Decoder, long: Tensor, test: Tensor, config: LengthConfig) -> dict:
    """Without and with training on, by stretch; and with a window of the trained length."""
    lengths = {"trained": config.trained, "tested": config.tested}
    window = stretched(model, "as trained", **lengths, sliding_window=config.trained)
    found = {"window": _losses(window, test, config), "stretched": {}, "tuned": {}}
    for how in STRETCHES:
        copy = stretched(model, how, **lengths)
        found["stretched"][how] = _losses(copy, test, config)
        tune(copy, long, config.tune_steps, config.tune_lr)
        found["tuned"][how] = _losses(copy, test, config)
    return found
