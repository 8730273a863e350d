"""A grid of real runs for three ways to fit: equal budgets of FLOPs on a ledger of known entropy.

Every size is trained to exactly the budgets that it can reach, so runs of one budget stand on one
IsoFLOP curve. Three regimes: *plain* (short warm-up, decayed at each budget, fresh data; the
undecayed trunk is read at the same budgets), *warm-up* (the same with a warm-up that is long for
the short runs), *repeated* (the same with a small corpus, read again and again).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from course_lib.architecture.accounting.formulas import count_parameters, training_flops
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.packing import Packed, batch
from course_lib.experiments import experiment, once
from course_lib.scaling.laws.grid import BranchConfig, trunk_and_branches
from course_lib.scaling.laws.ledger import Ledger, LedgerConfig, Rows
from course_lib.scaling.laws.runs import corrected_loss

REGIMES = ("plain", "warm-up", "repeated")


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """Sizes and budgets. ``budgets`` are counted training FLOPs, head and attention included."""

    names: int = 128
    attributes: int = 128
    values: int = 16
    widths: tuple[int, ...] = (6, 8, 12, 16, 24, 32, 48, 64, 96)
    budgets: tuple[float, ...] = (1.2e10, 2.4e10, 4.8e10, 9.6e10, 1.92e11)
    fewest_steps: int = 90
    most_steps: int = 2_400
    batch_size: int = 32
    seq: int = 30
    lr: float = 1e-2  # of width 16; falls as 1 / sqrt(width)
    warmup_steps: int = 20
    long_warmup_steps: int = 300
    pool_steps: int = 96  # batches of different data in the regime "repeated"
    repeated_widths: tuple[int, ...] = (12, 16, 24, 32, 48)
    eval_rows: int = 2_000
    seed: int = 0

    @property
    def ledger(self) -> LedgerConfig:
        """The facts and their frequencies."""
        return LedgerConfig(names=self.names, attributes=self.attributes, values=self.values)

    def model(self, width: int) -> ModelConfig:
        """One block and one head: to look up (name, attribute) takes no more."""
        return ModelConfig(
            vocab_size=self.ledger.vocab_size,
            d_model=width,
            n_layers=1,
            n_heads=1,
            n_kv_heads=1,
            d_ff=8 * round(width / 3),
            max_seq=self.seq,
        )

    def steps(self, width: int) -> dict[float, int]:
        """Budget -> steps of this width, for the budgets it can spend within the limits."""
        one = training_flops(self.model(width), self.batch_size * self.seq, self.seq)
        steps = {budget: round(budget / one) for budget in self.budgets}
        return {b: s for b, s in steps.items() if self.fewest_steps <= s <= self.most_steps}

    def branches(self, width: int, regime: str) -> BranchConfig:
        """The runs of one size in one regime."""
        return BranchConfig(
            steps=tuple(self.steps(width).values()),
            lr=self.lr * (16 / width) ** 0.5,
            warmup_steps=self.long_warmup_steps if regime == "warm-up" else self.warmup_steps,
        )


def batches(config: GridConfig, regime: str) -> tuple[Callable, Rows]:
    """``batch_at`` of a regime, and the held-out rows; all sizes see the same batches."""
    ledger = Ledger(config.ledger)
    longest = max(s for width in config.widths for s in config.steps(width).values())
    steps = config.pool_steps if regime == "repeated" else longest
    train = ledger.rows(steps * config.batch_size, config.seq, seed=config.seed + 1)
    held_out = ledger.rows(config.eval_rows, config.seq, seed=config.seed + 10_000)
    pool = Packed(train.inputs, train.targets)
    return lambda step: batch(pool, step, config.batch_size), held_out


def run_size(config: GridConfig, regime: str, width: int) -> list[dict]:
    """All budgets of one size in one regime; losses in nats a token, less the draw's luck."""
    batch_at, held_out = batches(config, regime)
    entropy = Ledger(config.ledger).entropy
    shape = config.model(width)
    model = Decoder(shape, generator=torch.Generator().manual_seed(config.seed))
    trunk: dict[int, float] = {}

    def judge(trained: torch.nn.Module) -> float:
        return corrected_loss(trained, held_out, entropy)

    undecayed = (
        None
        if regime == "repeated"
        else (lambda steps, passing: trunk.update({steps: judge(passing)}))
    )
    losses = trunk_and_branches(
        model, batch_at, judge, config.branches(width, regime), undecayed=undecayed
    )
    counted = count_parameters(shape)
    flops = training_flops(shape, config.seq, config.seq) / config.seq
    return [
        {
            "regime": regime,
            "width": width,
            "n": counted.total,
            "n_body": counted.non_embedding,
            "d": steps * config.batch_size * config.seq,
            "budget": budget,
            "flops_a_token": flops,
            "loss": loss,
            "undecayed": trunk.get(steps),
        }
        for (budget, steps), loss in zip(config.steps(width).items(), losses, strict=True)
    ]


@experiment(config=GridConfig())
def grid(config: GridConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Every regime and size; each size is kept when done."""
    jobs = [
        (regime, width)
        for regime in REGIMES
        for width in (config.repeated_widths if regime == "repeated" else config.widths)
    ]
    runs: list[dict] = []
    for number, (regime, width) in enumerate(jobs):
        progress(number / len(jobs), f"{regime}: width {width}")
        runs += once(work / f"{regime}-{width}.json", partial(run_size, config, regime, width))
    return {"entropy": Ledger(config.ledger).entropy, "runs": runs, "config": asdict(config)}
