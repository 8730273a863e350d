"""Instant checks of the deployment chapter's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks._report import CheckReport, close, run_check
from course_lib.deployment.quantize import quantize_rows as reference

Rounded = tuple[Tensor, Tensor]


def quantize_rows(fn: Callable[[Tensor, int], Rounded]) -> CheckReport:
    """Check fn(weight, bits) -> (codes in int8 [rows, columns], scale [rows])."""
    generator = torch.Generator().manual_seed(0)

    def weight(*sizes: float, columns: int = 9) -> Tensor:
        rows = torch.randn(len(sizes), columns, generator=generator)
        return rows * torch.tensor(sizes)[:, None]

    cases = [
        (weight(1.0, 0.01, 30.0), 8),
        (weight(2.0, 0.5, columns=40), 4),
        (weight(0.02, 1.0, 7.0, 1.0, columns=5), 3),
        (weight(1.0, 0.0, 1.0), 8),  # a row of zeros
    ]
    return run_check("int8 rows", fn, cases, reference, mistakes=MISTAKES, compare=_same)


def _same(got: object, want: Rounded) -> bool:
    """Near values, and codes of the same type: that is what makes the model smaller."""
    return close(got, want) and got[0].dtype == want[0].dtype


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


MISTAKES = {
    "One scale for the whole matrix: the largest row decides how coarse all the others are.": (
        _wrong(dim=None)
    ),
    "A scale for each column. The scale must be pulled out of the sum over columns, so it has to "
    "belong to the row (the output).": _wrong(dim=0),
    "You cut the fraction off instead of rounding: the error is up to a whole step, and always "
    "towards zero.": _wrong(integer=torch.trunc),
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
