"""The check of the loss scaler: one step of training with scaled gradients."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks._report import CheckReport, run_check

Result = tuple[Tensor, float, int]
Step = Callable[[Tensor, Tensor, float, int, float, int], Result]


def loss_scaler(fn: Step) -> CheckReport:
    """Check fn(weight, grad, scale, good_steps, lr, interval) -> (weight, scale, good_steps).

    `grad` is the gradient of the scaled loss; the step is plain gradient descent.
    """
    w = torch.tensor([1.0, -2.0, 0.5])
    inf, nan = float("inf"), float("nan")
    cases = [
        (w, torch.tensor([8.0, 0.0, -16.0]), 8.0, 0, 0.1, 4),  # good, far from growing
        (w, torch.tensor([4.0, 4.0, 2.0]), 16.0, 3, 0.5, 4),  # the fourth good one: grow
        (w, torch.tensor([4.0, 4.0, 2.0]), 16.0, 2, 0.5, 4),  # the third: not yet
        (w, torch.tensor([inf, 1.0, 2.0]), 16.0, 3, 0.5, 4),  # overflow in one place
        (w, torch.tensor([-inf, -inf, -inf]), 4.0, 1, 0.5, 4),
        (w, torch.tensor([1.0, nan, 2.0]), 32.0, 2, 0.5, 3),  # inf - inf is NaN
        (w, torch.zeros(3), 2.0, 0, 0.1, 1),  # an interval of one: grow each time
    ]
    return run_check("Loss scaler", fn, cases, _step, mistakes=LOSS_SCALER_MISTAKES)


def _step(
    weight: Tensor, grad: Tensor, scale: float, good_steps: int, lr: float, interval: int, *,
    finite: Callable[[Tensor], bool] = lambda grad: bool(grad.isfinite().all()),
    unscale: Callable[[Tensor, float], Tensor] = lambda grad, scale: grad / scale,
    skipped: Callable[[Tensor, Tensor, float], Tensor] = lambda weight, grad, lr: weight,
    after_bad: Callable[[float, int], tuple[float, int]] = lambda scale, good: (scale * 0.5, 0),
    resets: bool = True,
    early: bool = False,
    backwards: bool = False,
) -> Result:  # fmt: skip
    """One step with one thing to get wrong at a time; right by default."""
    if not finite(grad):
        moved = skipped(weight, unscale(grad, scale), lr)
        return (moved, *after_bad(scale, good_steps))
    good, grown = good_steps + 1, scale
    if good >= interval or early:
        grown, good = scale * (0.5 if backwards else 2.0), 0 if resets else good
    return weight - lr * unscale(grad, scale), grown, good


def _changed(**change) -> Step:
    return lambda *case: _step(*case, **change)


def _new_scale_first(
    weight: Tensor, grad: Tensor, scale: float, good_steps: int, lr: float, interval: int
) -> Result:
    _, new_scale, good = _step(weight, grad, scale, good_steps, lr, interval)
    right = _step(weight, grad, scale, good_steps, lr, interval)[0]
    finite = bool(grad.isfinite().all())
    return (weight - lr * grad / new_scale if finite else right), new_scale, good


def _finite_entries(weight: Tensor, grad: Tensor, lr: float) -> Tensor:
    return weight - lr * torch.where(grad.isfinite(), grad, 0.0)


LOSS_SCALER_MISTAKES: dict[str, Step] = {
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
    "You double the scale and don't begin to count anew, so it doubles at every step from then "
    "on.": _changed(resets=False),
    "You have growing and shrinking the wrong way round: an overflow means that the scale is too "
    "large.": _changed(backwards=True, after_bad=lambda scale, good: (scale * 2.0, 0)),
}
