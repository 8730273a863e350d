"""The loss scaler: one step of training with scaled gradients."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise

Result = tuple[Tensor, float, int]
Step = Callable[..., Result]
INF, NAN = float("inf"), float("nan")


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, good: int, interval: int, *bad: float, size: int = 3, edge: bool = False):
        weight, grad = torch.randn(2, size, generator=generator)
        power, lr = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        for place, value in enumerate(bad):
            grad[place] = value
        scale = 2.0 ** (2 + int(8 * power))
        return Case(what, (weight, grad * scale, scale, good, 0.05 + lr, interval), edge)

    return [
        case("a good step, far from growing", 0, 4),
        case("the good step that completes the interval", 3, 4),
        case("the good step before that one", 2, 4),
        case("one entry overflows", 3, 4, INF, size=4),
        case("all entries overflow", 1, 4, -INF, -INF, -INF),
        case("one entry is NaN", 2, 3, NAN),  # inf - inf
        case("an interval of one", 0, 1, edge=True),
        case("a gradient of zeros", 1, 3, 0.0, 0.0, 0.0, edge=True),
        case("an overflow at once, before any good step", 0, 3, INF, edge=True),
    ]


def _step(
    weight: Tensor,
    grad: Tensor,
    scale: float,
    good_steps: int,
    lr: float,
    interval: int,
    *,
    GROWTH: float,
    finite: Callable[[Tensor], bool] = lambda grad: bool(grad.isfinite().all()),
    unscale: Callable[[Tensor, float], Tensor] = lambda grad, scale: grad / scale,
    skipped: Callable[[Tensor, Tensor, float], Tensor] = lambda weight, grad, lr: weight,
    after_bad: Callable[[float, int], tuple[float, int]] = lambda scale, good: (scale * 0.5, 0),
    resets: bool = True,
    early: bool = False,
    backwards: bool = False,
) -> Result:
    """One step with one thing to get wrong at a time; right by default."""
    if not finite(grad):
        moved = skipped(weight, unscale(grad, scale), lr)
        return (moved, *after_bad(scale, good_steps))
    good, grown = good_steps + 1, scale
    if good >= interval or early:
        grown, good = scale * (0.5 if backwards else GROWTH), 0 if resets else good
    return weight - lr * unscale(grad, scale), grown, good


def _right(
    weight: Tensor,
    grad: Tensor,
    scale: float,
    good_steps: int,
    lr: float,
    interval: int,
    GROWTH: float,
) -> Result:
    return _step(weight, grad, scale, good_steps, lr, interval, GROWTH=GROWTH)


def _changed(**change) -> Step:
    return lambda *case, GROWTH: _step(*case, GROWTH=GROWTH, **change)


def _new_scale_first(
    weight: Tensor,
    grad: Tensor,
    scale: float,
    good_steps: int,
    lr: float,
    interval: int,
    GROWTH: float,
) -> Result:
    moved, new_scale, good = _right(weight, grad, scale, good_steps, lr, interval, GROWTH)
    if grad.isfinite().all():
        moved = weight - lr * grad / new_scale
    return moved, new_scale, good


def _finite_entries(weight: Tensor, grad: Tensor, lr: float) -> Tensor:
    return weight - lr * torch.where(grad.isfinite(), grad, 0.0)


_MISTAKES: dict[str, Step] = {
    "The gradient is of the scaled loss, and you step with it as it is. Divide it by the scale "
    "first: else the learning rate is `scale` times too large.": _changed(
        unscale=lambda grad, scale: grad
    ),
    "You multiply the gradient by the scale. That was done to the loss already; undo it: "
    "divide.": _changed(unscale=lambda grad, scale: grad * scale),
    "You divide by the new scale. The gradient was made under the old one: step first, then set "
    "the next scale.": _new_scale_first,
    "You look for infinities only. inf - inf is NaN, and a NaN would end in the weights: ask "
    "whether all entries are finite.": _changed(finite=lambda grad: not grad.isinf().any()),
    "You leave out the entries that overflowed and step with the others. The others are of a "
    "backward pass that went wrong: leave out the whole step.": _changed(skipped=_finite_entries),
    "You step although a gradient isn't finite: the weights are lost from then on.": _changed(
        skipped=lambda weight, grad, lr: weight - lr * grad
    ),
    "You skip the step but keep the scale, so the next one overflows as well. Halve it.": _changed(
        after_bad=lambda scale, good: (scale, 0)
    ),
    "After an overflow you go on counting. The good steps must be in a row: count from 0 "
    "again.": _changed(after_bad=lambda scale, good: (scale * 0.5, good)),
    "A skipped step counts as a good one in your code. Count from 0 again.": _changed(
        after_bad=lambda scale, good: (scale * 0.5, good + 1)
    ),
    "You grow the scale at every good step. Wait for `interval` of them in a row.": _changed(
        early=True
    ),
    "You let the scale grow and don't begin to count anew, so it grows at every step from then "
    "on.": _changed(resets=False),
    "You have growing and shrinking the wrong way round: an overflow means that the scale is too "
    "large.": _changed(backwards=True, after_bad=lambda scale, good: (scale * 2.0, 0)),
}

loss_scaler = Exercise(
    name="pretraining/loss_scaler",
    title="Loss scaler",
    answer="my_scaled_step",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    forbidden=("GradScaler",),
    constants={"GROWTH": (2.0, 4.0, 8.0)},
)
