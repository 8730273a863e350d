"""The loss of a reward model: Bradley and Terry's probability that one reply beats the other."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.exercise import Case, Exercise, Property

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def pairs(number: int, spread: float = 2.0) -> tuple[Tensor, Tensor, Tensor]:
        chosen, rejected = spread * torch.randn(2, number, generator=generator)
        return chosen, rejected, 0.3 + torch.rand(number, generator=generator)

    chosen, rejected, margin = pairs(4)
    far = torch.tensor([-500.0, 500.0]) - torch.rand(2, generator=generator)
    return [
        Case("one pair", pairs(1)),
        Case("three pairs", pairs(3)),
        Case("eight pairs that the model ranks with confidence", pairs(8, 5.0)),
        Case(
            "rewards that are all far above zero",
            tuple(p + 20 * (i < 2) for i, p in enumerate(pairs(5))),
        ),
        Case("no margin asked for", (chosen, rejected, torch.zeros_like(margin)), edge=True),
        Case("two replies with the same reward", (chosen, chosen.clone(), margin), edge=True),
        Case("rewards hundreds apart", (far, far.flip(0), torch.zeros(2)), edge=True),
    ]


def _loss(
    chosen: Tensor,
    rejected: Tensor,
    margin: Tensor,
    *,
    sign: float = -1.0,
    outer: float = -1.0,
    curve: Callable[[Tensor], Tensor] = F.logsigmoid,
    over: Callable[[Tensor], Tensor] = Tensor.mean,
) -> Tensor:
    """Ouyang et al. 2022, equation 1, with the margin of Touvron et al. 2023, equation 2."""
    return outer * over(curve(chosen - rejected + sign * margin))


def _right(chosen: Tensor, rejected: Tensor, margin: Tensor) -> Tensor:
    return _loss(chosen, rejected, margin)


def _changed(**change) -> Loss:
    return lambda chosen, rejected, margin: _loss(chosen, rejected, margin, **change)


def _shifted(answer: Loss, seed: int) -> str | None:
    generator = torch.Generator().manual_seed(seed)
    chosen, rejected = torch.randn(2, 6, generator=generator)
    margin = torch.rand(6, generator=generator)
    first, other = (
        torch.as_tensor(answer(chosen + by, rejected + by, margin)).mean().item() for by in (0, 3)
    )
    if abs(first - other) < 1e-4:
        return None
    return (
        f"With 3 added to all rewards your loss goes from {first:.4f} to {other:.4f}: only "
        "differences of rewards may count."
    )


_MISTAKES = {
    "The margin isn't used: a pair that people told apart easily should be further apart.": (
        _changed(sign=0.0)
    ),
    "You add the margin: it must be subtracted, so that the chosen reply has to win by that much. "
    "As it stands it may even lose.": _changed(sign=1.0),
    "The margin is taken from the loss, outside the sigmoid: there it has no gradient, so it "
    "changes nothing.": lambda c, r, m: (-F.logsigmoid(c - r) - m).mean(),
    "Chosen and rejected are swapped: this reward model learns to prefer the worse reply.": (
        lambda c, r, m: _loss(r, c, m)
    ),
    "The sign in front is missing: log sigmoid is never above 0, and a loss is to be made small.": (
        _changed(outer=1.0)
    ),
    "You return one loss a pair: average over the batch.": _changed(over=lambda x: x),
    "You sum over the batch: average, or a larger batch means a larger learning rate.": (
        _changed(over=Tensor.sum)
    ),
    "log(sigmoid(x)) gives -inf where x is far below 0: use logsigmoid.": (
        _changed(curve=lambda x: torch.sigmoid(x).log())
    ),
    "There is no logarithm: 1 - sigmoid is the probability of being wrong. Its gradient vanishes "
    "where the model is most wrong.": (lambda c, r, m: (1 - torch.sigmoid(c - r - m)).mean()),
    "You average before the logarithm: each pair has its own probability, and its own loss.": (
        lambda c, r, m: -F.logsigmoid((c - r - m).mean())
    ),
    "That is a hinge, max(0, margin - difference): it stops pushing where the margin is reached. "
    "Bradley and Terry's loss is -log sigmoid.": lambda c, r, m: (m - c + r).clamp(min=0).mean(),
}

reward_model = Exercise(
    name="alignment/reward_model",
    title="The loss of a reward model",
    answer="my_reward_loss",
    kind="warm-up",
    minutes=15,
    points=5,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("a constant added to all rewards changes nothing", _shifted),),
    gradients=(0, 1),
)
