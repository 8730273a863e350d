"""GRPO's advantages: how much better than its own group a reply did."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.alignment.grpo import group_advantages
from course_lib.checks.exercise import Case, Exercise, Property

EPS = 1e-4
Advantages = Callable[[Tensor, bool], Tensor]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def rewards(groups: int, samples: int) -> Tensor:
        drawn = torch.randint(0, 9, (groups, samples), generator=generator) / 8
        drawn[:, 0], drawn[:, 1] = 0.25, 0.875  # no group where all did alike
        order = torch.argsort(torch.rand(groups, samples, generator=generator), dim=-1)
        return drawn.gather(-1, order)

    level = torch.rand(1, 1, generator=generator).round()
    return [
        Case("one group, with the standard deviation", (rewards(1, 4), True)),
        Case("one group, without it", (rewards(1, 4), False)),
        Case(
            "three groups, with the standard deviation",
            (rewards(3, 4) * torch.tensor([[1.0], [4.0], [0.5]]), True),
        ),
        Case("three groups, without it", (rewards(3, 4) + torch.tensor([[0.0], [2], [-1]]), False)),
        Case("as many groups as replies", (rewards(4, 4), True)),
        Case(
            "a group in which all did alike",
            (torch.cat([rewards(1, 4), level.expand(1, 4)]), True),
            edge=True,
        ),
        Case("two replies a question", (rewards(3, 2), True), edge=True),
    ]


def _right(rewards: Tensor, scale: bool) -> Tensor:
    if scale:
        return group_advantages(rewards, EPS)
    return rewards - rewards.mean(-1, keepdim=True)


def _by(centre: Callable[[Tensor], Tensor], spread: Callable[[Tensor], Tensor]) -> Advantages:
    """Centred by one thing, divided by another if asked."""
    return lambda r, scale: (r - centre(r)) / (spread(r) if scale else 1.0)


def _mean(r: Tensor) -> Tensor:
    return r.mean(-1, keepdim=True)


def _std(r: Tensor) -> Tensor:
    return r.std(-1, keepdim=True) + EPS


def _of_columns(r: Tensor) -> Tensor:
    """r.std(0), without torch's warning where there is one row: 0 / 0 is NaN there too."""
    squares = (r - r.mean(0, keepdim=True)).square().sum(0, keepdim=True)
    return (squares / torch.tensor(len(r) - 1.0)).sqrt()


def _sums_to_zero(answer: Advantages, seed: int) -> str | None:
    rewards = torch.rand(5, 8, generator=torch.Generator().manual_seed(seed))
    for scale in (True, False):
        off = answer(rewards, scale).sum(-1).abs().max().item()
        if off > 1e-3:
            return f"In one group your advantages add up to {off:.4f}, expected 0."
    return None


def _shift(answer: Advantages, seed: int) -> str | None:
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.randint(0, 5, (4, 8), generator=generator) / 4
    by = torch.tensor([[0.0], [1.0], [-2.0], [8.0]])
    moved = (answer(rewards + by, True) - answer(rewards, True)).abs().max().item()
    if moved < 1e-3:
        return None
    return f"A constant added to a group's rewards moves your advantages by {moved:.4f}."


_MISTAKES: dict[str, Advantages] = {
    "You take mean and spread over the whole batch: each reply is compared with its own group, or "
    "hard questions count as bad replies.": _by(torch.mean, lambda r: r.std() + EPS),
    "The mean is the group's, but the spread is the whole batch's: divide by the group's own.": (
        _by(_mean, lambda r: r.std() + EPS)
    ),
    "You go down the columns: a group is a row, the samples are its last axis.": (
        _by(lambda r: r.mean(0, keepdim=True), lambda r: _of_columns(r) + EPS)
    ),
    "You don't subtract the mean: then every reply with a reward is pushed up, the worst of its "
    "group too.": _by(torch.zeros_like, _std),
    "You divide by the variance: the standard deviation is its root, and has the rewards' unit.": (
        _by(_mean, lambda r: r.var(-1, keepdim=True) + EPS)
    ),
    "Your standard deviation divides by n. Divide by n - 1, as torch.std does by default.": (
        _by(_mean, lambda r: r.std(-1, keepdim=True, correction=0) + EPS)
    ),
    "`scale` is not used: with False the rewards are only centred.": (
        lambda r, scale: _right(r, True)
    ),
    "You never divide: with scale=True divide by the group's standard deviation + eps.": (
        lambda r, scale: _right(r, False)
    ),
    "You compare each reply with the mean of the others. That baseline is a good one (RLOO), but "
    "GRPO takes the mean of the whole group.": (
        lambda r, scale: (
            _right(r, False) * r.shape[-1] / (r.shape[-1] - 1) / (_std(r) if scale else 1.0)
        )
    ),
    "Where all replies of a group did alike you divide 0 by 0. Add eps to the standard "
    "deviation.": _by(_mean, lambda r: r.std(-1, keepdim=True)),
    "eps stands under the root: add it to the standard deviation, after the root.": (
        _by(_mean, lambda r: (r.var(-1, keepdim=True) + EPS).sqrt())
    ),
}

grpo_advantages = Exercise(
    name="alignment/grpo_advantages",
    title="GRPO's advantages",
    answer="my_advantages",
    kind="warm-up",
    minutes=15,
    points=5,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(
        Property("the advantages of a group add up to zero", _sums_to_zero),
        Property("a constant added to a group's rewards changes nothing", _shift),
    ),
)
