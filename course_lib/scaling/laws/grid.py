"""Many runs for the price of few: one trunk a model size, a decay branch for each budget.

The learning rate of a warm-up-stable-decay run is constant until its decay. So runs of different
lengths share their first part: train one trunk at constant rate, and at each branching point copy
model and optimizer and let the copy decay. Source: Hu et al. 2024 (MiniCPM), section 4.3; Hägele
et al. 2024.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class BranchConfig:
    """Lengths of the runs in steps, and what they share. ``decay`` is a share of each run."""

    steps: tuple[int, ...]
    lr: float
    warmup_steps: int = 20
    decay: float = 0.3
    floor: float = 0.01
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.95)

    def __post_init__(self):
        if not self.steps or list(self.steps) != sorted(set(self.steps)) or self.steps[0] < 1:
            raise ValueError(f"steps={self.steps}: expected rising numbers of steps, from 1")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay={self.decay}: expected a share above 0 and at most 1")

    def branch_at(self, steps: int) -> int:
        """The step at which the run of ``steps`` steps leaves the trunk."""
        return steps - max(1, round(steps * self.decay))

    def warm(self, step: int) -> float:
        """The trunk's rate of ``step`` (from 0): a rise, then constant."""
        return self.lr * min(1.0, (step + 1) / self.warmup_steps)

    def decayed(self, step: int, steps: int) -> float:
        """The rate of ``step`` (from 0) of a branch that ends after ``steps``: a straight line.

        Where the warm-up is longer than the trunk, the rate rises until it meets the falling line.
        """
        left = (steps - step) / (steps - self.branch_at(steps) + 1)
        return min(self.lr * max(self.floor, left), self.warm(step))


def trunk_and_branches(
    model: nn.Module,
    batch_at: Callable[[int], Batch],
    evaluate: Callable[[nn.Module], float],
    config: BranchConfig,
    undecayed: Callable[[int, nn.Module], None] | None = None,
) -> list[float]:
    """Train ``model`` along the trunk; return ``evaluate`` of each branch at its end.

    Step i of every run sees ``batch_at(i)``, as a run of its own would: the branch at budget k is
    bit for bit the run of k steps. AdamW without weight decay, which helps only longer runs.
    With ``undecayed`` the trunk goes on to the last budget, and ``undecayed(k, model)`` is called
    as it passes budget k at full rate: what a run that is too long would show there.
    """
    optimizer = _optimizer(model, config)
    results, step = [], 0

    def advance(to: int) -> None:
        nonlocal step
        while step < to:
            _step(model, optimizer, batch_at(step), config.warm(step), config.clip)
            step += 1
            if undecayed and step in config.steps:
                undecayed(step, model)

    for steps in config.steps:
        advance(config.branch_at(steps))
        branch = copy.deepcopy(model)
        own = _optimizer(branch, config)
        own.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for later in range(config.branch_at(steps), steps):
            _step(branch, own, batch_at(later), config.decayed(later, steps), config.clip)
        results.append(evaluate(branch.eval()))
    if undecayed:
        advance(config.steps[-1])
    return results


def steps_taken(config: BranchConfig) -> int:
    """Steps that trunk and branches take together (against ``sum(config.steps)`` alone)."""
    trunk = config.branch_at(config.steps[-1])
    return trunk + sum(steps - config.branch_at(steps) for steps in config.steps)


def _optimizer(model: nn.Module, config: BranchConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        model.parameters(), lr=config.lr, betas=config.betas, weight_decay=0.0, fused=True
    )


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, rate: float, clip: float
) -> None:
    inputs, targets = batch
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
