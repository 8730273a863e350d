"""One AdamW step: two means, their correction, and a decay of its own."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise

Step = Callable[..., tuple[Tensor, Tensor, Tensor]]


def _cases(seed: int) -> list[Case]:
    draw = torch.Generator().manual_seed(seed)

    def case(
        what: str,
        shape: tuple[int, ...],
        first: bool = False,
        eps: float = 1e-8,
        decay: bool = True,
        edge: bool = False,
    ) -> Case:
        weight, grad, mean = (torch.randn(*shape, generator=draw) for _ in range(3))
        square = torch.rand(*shape, generator=draw)
        lr, beta1, beta2, some = torch.rand(4, generator=draw, dtype=torch.float64).tolist()
        t = 1 if first else int(torch.randint(2, 9, (1,), generator=draw))
        if first:
            mean, square = 0 * mean, 0 * square
        numbers = 0.01 + 0.2 * lr, 0.7 + 0.2 * beta1, 0.93 + 0.06 * beta2
        return Case(
            what, (weight, grad, mean, square, t, *numbers, eps, decay * (0.05 + some)), edge
        )

    return [
        case("the first step", (3,), first=True, decay=False),
        case("a later step, with decay", (2, 4)),
        case("a step with a large eps", (5,), eps=0.3),  # an eps that can't be overlooked
        case("the first step, with decay and a large eps", (3, 2), first=True, eps=0.1),
        case("one number", (1,), edge=True),
        case("no weight at all", (0, 4), edge=True),
    ]


def _corrected(mean: Tensor, square: Tensor, t: int, beta1: float, beta2: float, eps: float):
    return mean / (1 - beta1**t) / ((square / (1 - beta2**t)).sqrt() + eps)


def _stepped(
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    *,
    direction: Callable = _corrected,
) -> tuple[Tensor, Tensor, Tensor]:
    """AdamW's step with the direction as what can be got wrong; right by default."""
    mean = beta1 * mean + (1 - beta1) * grad
    square = beta2 * square + (1 - beta2) * grad**2
    moved = weight - lr * decay * weight - lr * direction(mean, square, t, beta1, beta2, eps)
    return moved, mean, square


def _right(
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
) -> tuple[Tensor, Tensor, Tensor]:
    return _stepped(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay)


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


_MISTAKES = {
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

adamw = Exercise(
    name="pretraining/adamw",
    title="AdamW, one step",
    answer="my_adamw_step",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    forbidden=("optim", "AdamW", "Adam"),
)
