"""The update-to-weight ratio: how far a step moved all weights, as a share of their length."""

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close
from course_lib.pretraining.monitoring.metrics import update_ratio as reference

Weights = list[Tensor]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, *shapes: tuple[int, ...], step: float, edge: bool = False) -> Case:
        return Case(what, _case(shapes, step, generator), edge)

    before, _ = _case(((2, 2), (2,)), 0.0, generator)
    return [
        case("one vector of two numbers", (2,), step=0.5),
        case("a matrix and a vector", (2, 3), (3,), step=0.01),
        case("three tensors of unlike sizes", (40, 7), (7,), (1,), step=0.3),
        case("a step as long as the weights", (5, 5), step=2.0),
        case("a single weight", (1,), step=0.1, edge=True),
        Case("a step that moves nothing", (before, [w.clone() for w in before]), edge=True),
    ]


def _case(
    shapes: tuple[tuple[int, ...], ...], step: float, generator: torch.Generator
) -> tuple[Weights, Weights]:
    """Tensors of very different scale, so that a mean over them isn't the whole's ratio."""
    before = [10**-i * torch.randn(shape, generator=generator) for i, shape in enumerate(shapes)]
    after = [w + step * torch.randn(w.shape, generator=generator) for w in before]
    return before, after


def _depends_on_the_unit(answer, seed: int) -> str | None:
    before, after = _case(((3, 4), (4,)), 0.2, torch.Generator().manual_seed(seed))
    one, ten = answer(before, after), answer([10 * w for w in before], [10 * w for w in after])
    if close(float(ten), float(one)):
        return None
    return f"All weights ten times as large, all moves too: from {one:.4g} to {ten:.4g}."


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


_MISTAKES = {
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

update_ratio = Exercise(
    name="pretraining/update_ratio",
    title="Update-to-weight ratio",
    answer="my_ratio",
    kind="warm-up",
    minutes=10,
    points=5,
    cases=_cases,
    reference=reference,
    mistakes=_MISTAKES,
    properties=(Property("the unit of the weights doesn't matter", _depends_on_the_unit),),
)
