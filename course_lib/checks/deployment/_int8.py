"""Weights in eight bits and fewer: whole numbers, and one scale a row."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close
from course_lib.deployment.quantize import quantize_rows

Rounded = tuple[Tensor, Tensor]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, bits: int, *sizes: float, columns: int = 9, edge: bool = False) -> Case:
        rows = torch.randn(len(sizes), columns, generator=generator)
        rows[:1] = -rows[:1].abs()  # a row whose largest weight is surely negative
        return Case(what, (rows * torch.tensor(sizes)[:, None], bits), edge)

    return [
        case("two rows of unlike size, 8 bits", 8, 1.0, 0.05, columns=4),
        case("three rows of very unlike size, 8 bits", 8, 1.0, 0.01, 30.0),
        case("long rows, 4 bits", 4, 2.0, 0.5, columns=40),
        case("short rows, 3 bits", 3, 0.02, 1.0, 7.0, 1.0, columns=5),
        Case("weights halfway between two codes", (_halves(generator), 8)),
        case("a row of zeros", 8, 1.0, 0.0, 1.0, edge=True),
        case("a single weight", 8, 3.0, columns=1, edge=True),
    ]


def _halves(generator: torch.Generator) -> Tensor:
    """Rows whose scale is a power of two, and whose other weights are k + 1/2 scales, any sign."""
    halves = torch.randint(-120, 120, (3, 8), generator=generator) + 0.5
    rows = torch.cat([torch.full((3, 1), 127.0), halves], 1)
    return rows * torch.tensor([[1.0], [0.25], [2.0]])


def _same(got: object, want: Rounded) -> bool:
    """Near values, and codes of the same type: that is what makes the model smaller."""
    return close(got, want) and got[0].dtype == want[0].dtype


def _right(weight: Tensor, bits: int) -> Rounded:
    return quantize_rows(weight, bits)


def _quantize(
    weight: Tensor,
    bits: int,
    *,
    dim: int | None = 1,
    largest: Callable[[int], int] = lambda bits: 2 ** (bits - 1) - 1,
    integer: Callable[[Tensor], Tensor] = torch.round,
    peak: Callable[[Tensor], Tensor] = torch.abs,
    guard: bool = True,
    dtype: torch.dtype = torch.int8,
) -> Rounded:
    """The right answer, with one thing to get wrong at a time."""
    size = peak(weight)
    if dim is None:
        scale = size.max().expand(len(weight)).clone() / largest(bits)
    else:
        scale = size.amax(dim) / largest(bits)
    if guard:
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    by_column = dim == 0
    codes = integer(weight / (scale if by_column else scale[:, None]))
    most = 2 ** (bits - 1) - 1 if dtype is torch.int8 else torch.inf
    return codes.nan_to_num(0.0).clamp(-most, most).to(dtype), scale


def _wrong(**change) -> Callable[[Tensor, int], Rounded]:
    return lambda weight, bits: _quantize(weight, bits, **change)


def _unit_matters(answer: Callable, seed: int) -> str | None:
    """Sixteen times the weights: the same codes, scales sixteen times as large."""
    weight = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed))
    (codes, scale), (same, larger) = answer(weight, 6), answer(16 * weight, 6)
    if torch.equal(codes, same) and close(larger, 16 * scale):
        return None
    return "All weights sixteen times as large: the codes should stay, the scales grow with them."


_MISTAKES = {
    "One scale for the whole matrix: the largest row decides how coarse all the others are.": (
        _wrong(dim=None)
    ),
    "A scale for each column. The scale must be pulled out of the sum over columns, so it has to "
    "belong to the row (the output).": _wrong(dim=0),
    "You cut the fraction off instead of rounding: the error is up to a whole step, and always "
    "towards zero.": _wrong(integer=torch.trunc),
    "You add a half and round down: what lies halfway always moves up, so errors add up. Round to "
    "the even neighbour, as torch.round does.": _wrong(integer=lambda x: (x + 0.5).floor()),
    "You round down: every weight moves the same way, so the errors add up.": (
        _wrong(integer=torch.floor)
    ),
    "You divide by 2^(bits−1). The largest code is one less; +128 doesn't exist in 8 bits.": (
        _wrong(largest=lambda bits: 2 ** (bits - 1))
    ),
    "You divide by 2^bits − 1: half of the codes are for negative weights.": (
        _wrong(largest=lambda bits: 2**bits - 1)
    ),
    "You forgot the absolute value: a row whose largest weight is negative is clipped.": (
        _wrong(peak=lambda weight: weight)
    ),
    "A row of zeros gets the scale 0, and 0 / 0 is no number. Give it the scale 1.": (
        _wrong(guard=False)
    ),
    "The codes are right but still floats: nothing has become smaller yet. Use torch.int8.": (
        _wrong(dtype=torch.float32)
    ),
}

int8 = Exercise(
    name="deployment/int8",
    title="Eight bits a weight",
    answer="my_quantize",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("the unit of the weights doesn't matter", _unit_matters),),
    compare=_same,
    forbidden=("quantize_per_channel", "quantize_per_tensor"),
)
