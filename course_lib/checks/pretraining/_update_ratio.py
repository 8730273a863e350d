"""Check of the exercise on the update-to-weight ratio."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks._report import CheckReport, run_check
from course_lib.pretraining.metrics import update_ratio as reference

Weights = list[Tensor]


def update_ratio(fn: Callable[[Weights, Weights], float]) -> CheckReport:
    """Check fn(before, after) -> how far the weights moved, as a share of their length."""
    generator = torch.Generator().manual_seed(0)
    cases = [
        ([torch.tensor([3.0, 4.0])], [torch.tensor([3.0, 4.5])]),
        _case(((2, 3), (3,)), 0.01, generator),
        _case(((40, 7), (7,), (1,)), 0.3, generator),
        _case(((5, 5),), 2.0, generator),
    ]
    return run_check("Update-to-weight ratio", fn, cases, reference, mistakes=UPDATE_RATIO_MISTAKES)


def _case(
    shapes: tuple[tuple[int, ...], ...], step: float, generator: torch.Generator
) -> tuple[Weights, Weights]:
    """Tensors of very different scale, so that a mean over them isn't the whole's ratio."""
    before = [10**-i * torch.randn(shape, generator=generator) for i, shape in enumerate(shapes)]
    after = [w + step * torch.randn(w.shape, generator=generator) for w in before]
    return before, after


def _length(tensors: Weights) -> float:
    return sum(float(t.square().sum()) for t in tensors) ** 0.5


def _moves(before: Weights, after: Weights) -> Weights:
    return [b - a for a, b in zip(before, after, strict=True)]


def _mean_of_ratios(before: Weights, after: Weights) -> float:
    ratios = [
        _length([m]) / _length([w]) for m, w in zip(_moves(before, after), before, strict=True)
    ]
    return sum(ratios) / len(ratios)


def _over_the_new(before: Weights, after: Weights) -> float:
    return _length(_moves(before, after)) / _length(after)


def _change_of_length(before: Weights, after: Weights) -> float:
    return abs(_length(after) - _length(before)) / _length(before)


def _squared(before: Weights, after: Weights) -> float:
    return (_length(_moves(before, after)) / _length(before)) ** 2


def _sum_of_lengths(before: Weights, after: Weights) -> float:
    moves = _moves(before, after)
    return sum(_length([m]) for m in moves) / sum(_length([w]) for w in before)


def _absolute(before: Weights, after: Weights) -> float:
    return _length(_moves(before, after))


UPDATE_RATIO_MISTAKES = {
    "You take the mean of the tensors' own ratios; a tensor of one number then counts as much as a "
    "matrix. Take all weights as one vector.": _mean_of_ratios,
    "You divide by the length after the step; divide by the length before it.": _over_the_new,
    "You compare the two lengths. A step can turn the weights without changing their length: take "
    "the length of the difference.": _change_of_length,
    "You forgot the root: a length is the root of the sum of squares.": _squared,
    "You add the tensors' lengths up. Lengths don't add: add the squares, take one root.": (
        _sum_of_lengths
    ),
    "You return the length of the step alone; divide it by the length of the weights.": _absolute,
}
