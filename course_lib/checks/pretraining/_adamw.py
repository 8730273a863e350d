"""The check of one AdamW step: two means, their correction, and a decay of its own."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks._report import CheckReport, run_check

Step = Callable[..., tuple[Tensor, Tensor, Tensor]]


def adamw_step(fn: Step) -> CheckReport:
    """Check fn(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay).

    It returns the new weight, mean and square, and leaves its arguments as they are. t counts from
    1 at the first step.
    """
    draw = torch.Generator().manual_seed(0)

    def case(shape, t, *numbers):
        weight, grad, mean = (torch.randn(*shape, generator=draw) for _ in range(3))
        square = torch.rand(*shape, generator=draw)
        first = t == 1
        return (weight, grad, 0 * mean if first else mean, 0 * square if first else square, t,
                *numbers)  # fmt: skip

    cases = [
        case((3,), 1, 0.1, 0.9, 0.95, 1e-8, 0.0),
        case((2, 4), 7, 0.01, 0.9, 0.99, 1e-8, 0.1),
        case((5,), 3, 0.2, 0.8, 0.95, 0.3, 0.5),  # an eps and a decay that can't be overlooked
    ]
    return run_check("AdamW, one step", fn, cases, _stepped, mistakes=ADAMW_MISTAKES)


def _corrected(mean: Tensor, square: Tensor, t: int, beta1: float, beta2: float, eps: float):
    return mean / (1 - beta1**t) / ((square / (1 - beta2**t)).sqrt() + eps)


def _stepped(
    weight: Tensor, grad: Tensor, mean: Tensor, square: Tensor, t: int, lr: float, beta1: float,
    beta2: float, eps: float, decay: float, *, direction: Callable = _corrected,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """AdamW's step with the direction as what can be got wrong; right by default."""
    mean = beta1 * mean + (1 - beta1) * grad
    square = beta2 * square + (1 - beta2) * grad**2
    moved = weight - lr * decay * weight - lr * direction(mean, square, t, beta1, beta2, eps)
    return moved, mean, square


def _with(direction: Callable) -> Step:
    return lambda *given: _stepped(*given, direction=direction)


def _coupled(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    return _stepped(weight, grad + decay * weight, mean, square, t, lr, beta1, beta2, eps, 0.0)


def _decay_without_rate(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    return _stepped(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay / lr)


def _decay_after(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    moved, *state = _stepped(weight, grad, mean, square, t, lr, beta1, beta2, eps, 0.0)
    return moved - lr * decay * moved, *state


def _betas_swapped(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    return _stepped(weight, grad, mean, square, t, lr, beta2, beta1, eps, decay)


def _late(weight, grad, mean, square, t, *numbers):
    return _stepped(weight, grad, mean, square, t + 1, *numbers)


def _old_state(weight, grad, mean, square, *numbers):
    return _stepped(weight, grad, mean, square, *numbers)[0], mean, square


def _corrections_kept(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    moved, mean, square = _stepped(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay)
    return moved, mean / (1 - beta1**t), square / (1 - beta2**t)


def _uphill(weight, *given):
    moved, *state = _stepped(weight, *given)
    lr, decay = given[4], given[8]
    kept = weight - lr * decay * weight
    return 2 * kept - moved, *state


def _magnitude(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean = beta1 * mean + (1 - beta1) * grad
    square = beta2 * square + (1 - beta2) * grad.abs()
    step = _corrected(mean, square, t, beta1, beta2, eps)
    return weight - lr * decay * weight - lr * step, mean, square


ADAMW_MISTAKES = {
    "There is no bias correction. The means begin at 0 and are too small at first: divide them by "
    "1 - beta ** t.": _with(lambda m, v, t, b1, b2, eps: m / (v.sqrt() + eps)),
    "Only the mean gradient is corrected; the mean square needs 1 - beta2 ** t as well.": _with(
        lambda m, v, t, b1, b2, eps: m / (1 - b1**t) / (v.sqrt() + eps)
    ),
    "eps stands inside the root. It is added to the root: sqrt(v) + eps.": _with(
        lambda m, v, t, b1, b2, eps: m / (1 - b1**t) / (v / (1 - b2**t) + eps).sqrt()
    ),
    "eps is added before the correction: correct the mean square first, then take the root, then "
    "add eps.": _with(
        lambda m, v, t, b1, b2, eps: m / (1 - b1**t) * (1 - b2**t) ** 0.5 / (v.sqrt() + eps)
    ),
    "The mean square isn't rooted: its unit is the gradient's squared, so the step grows as the "
    "gradient shrinks.": _with(
        lambda m, v, t, b1, b2, eps: m / (1 - b1**t) / (v / (1 - b2**t) + eps)
    ),
    "The decay is coupled: you add decay * weight to the gradient, so that Adam's division weakens "
    "it where gradients are large. That is Adam with L2; the W of AdamW takes it out.": _coupled,
    "The decay isn't scaled by the learning rate: the weight loses lr * decay of itself a step, so "
    "that the schedule holds for both.": _decay_without_rate,
    "You decay what has already moved; take lr * decay of the weight as it came.": _decay_after,
    "The betas are swapped: beta1 is for the mean gradient, beta2 for the mean square.": (
        _betas_swapped
    ),
    "You correct for one step too many: t is 1 at the first step.": _late,
    "You return the state as it came: the next step would forget this gradient.": _old_state,
    "You return the corrected means. The state holds the plain ones; the correction is taken anew "
    "at each step.": _corrections_kept,
    "You climb: the step is subtracted.": _uphill,
    "The mean square is of |g|, not of g squared.": _magnitude,
}
