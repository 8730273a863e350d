"""A grid of real runs on a ledger: sizes × budgets, measured against a known entropy."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.scaling.flops import compare
from course_lib.scaling.laws.grid import BranchConfig, trunk_and_branches
from course_lib.scaling.laws.ledger import Ledger, LedgerConfig, Rows


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is trained on what. ``lr`` is that of width 16, and falls as 1/√width."""

    ledger: LedgerConfig
    widths: tuple[int, ...]
    steps: tuple[int, ...]
    rows: int = 32
    seq: int = 30
    lr: float = 1e-2
    eval_rows: int = 1_000
    seed: int = 0

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

    def branches(self, width: int) -> BranchConfig:
        """The runs of one size."""
        return BranchConfig(steps=self.steps, lr=self.lr * (16 / width) ** 0.5)

    @property
    def tokens_a_step(self) -> int:
        """Tokens in a batch."""
        return self.rows * self.seq


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run: parameters, tokens, loss in nats a token, counted training FLOPs."""

    n: int
    d: int
    loss: float
    flops: float


def zipf_study(**changes) -> Study:
    """16,384 facts with Zipf frequencies: there is always something rare left to learn."""
    ledger = LedgerConfig(names=128, attributes=128, values=16, power=1.5)
    widths, steps = (8, 12, 20, 32, 48), (112, 192, 336, 576)
    return Study(**{"ledger": ledger, "widths": widths, "steps": steps} | changes)


def finite_study(**changes) -> Study:
    """256 facts, equally frequent: the finite fact table. One day everything is learned."""
    ledger = LedgerConfig(names=16, attributes=16, values=16, power=0.0)
    widths, steps = (8, 16, 32), (96, 160, 272, 448)
    return Study(**{"ledger": ledger, "widths": widths, "steps": steps} | changes)


def run_study(
    study: Study,
    device: torch.device | str = "cpu",
    on_size: Callable[[int, list[Run]], None] | None = None,
) -> list[Run]:
    """Train every size on every budget; ``on_size(width, runs)`` is called after each size.

    All sizes see the same batches in the same order, and are judged on the same held-out rows.
    """
    ledger = Ledger(study.ledger)
    train = ledger.rows(study.steps[-1] * study.rows, study.seq, seed=study.seed + 1)
    held_out = ledger.rows(study.eval_rows, study.seq, seed=study.seed + 10_000)
    inputs, targets = train.inputs.to(device), train.targets.to(device)

    def batch_at(step: int):
        rows = slice(step * study.rows, (step + 1) * study.rows)
        return inputs[rows], targets[rows]

    runs = []
    for width in study.widths:
        config = study.model(width)
        generator = torch.Generator().manual_seed(study.seed)
        model = Decoder(config, generator=generator).to(device)
        losses = trunk_and_branches(
            model,
            batch_at,
            lambda trained: corrected_loss(trained, held_out, ledger.entropy),
            study.branches(width),
        )
        cost = compare(config, study.seq)
        tokens = [steps * study.tokens_a_step for steps in study.steps]
        new = [
            Run(n=cost.parameters, d=d, loss=loss, flops=cost.counted * d)
            for d, loss in zip(tokens, losses, strict=True)
        ]
        runs += new
        if on_size:
            on_size(width, new)
    return runs


@torch.no_grad()
def corrected_loss(model: nn.Module, rows: Rows, entropy: float, at_once: int = 250) -> float:
    """Loss on ``rows`` in nats a token, less the luck of the draw.

    A finite evaluation set has its own surprisal under the generator, a little off the entropy.
    Every model's loss is off with it, so: loss - (surprisal of this set) + entropy.
    """
    device = next(model.parameters()).device
    total = 0.0
    for start in range(0, len(rows.tokens), at_once):
        part = rows.tokens[start : start + at_once].to(device)
        logits = model(part[:, :-1]).flatten(0, 1)
        total += F.cross_entropy(logits, part[:, 1:].flatten(), reduction="sum").item()
    return total / rows.targets.numel() - rows.nats_per_token + entropy
