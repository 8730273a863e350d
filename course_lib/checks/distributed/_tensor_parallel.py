"""A feed-forward layer cut over ranks: columns, then rows, and one sum."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.exercise import Case, Exercise

SIZES = (  # rows, d_model, d_ff, ranks
    ("two ranks, two hidden numbers each", 2, 3, 4, 2),
    ("three ranks", 3, 4, 6, 3),
    ("four ranks, two axes before the last", (2, 3), 6, 16, 4),
    ("as many hidden numbers as the model has", 4, 8, 8, 2),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def layer(rows: int | tuple, d_model: int, d_ff: int, ranks: int) -> tuple:
        rows = rows if isinstance(rows, tuple) else (rows,)
        shapes = ((*rows, d_model), (d_ff, d_model), (d_ff,), (d_model, d_ff), (d_model,))
        return (*(torch.randn(shape, generator=generator) for shape in shapes), ranks)

    return [
        *(Case(what, layer(*sizes)) for what, *sizes in SIZES),
        Case("one rank alone", layer(2, 4, 4, 1), edge=True),
        Case("a batch of no rows", layer(0, 4, 4, 2), edge=True),
    ]


def summed(answer: Callable) -> Callable:
    """The sum of all ranks' parts. What isn't a rank's own is NaN: it has never been in its memory.

    Where a part isn't a tensor of the output's shape, that part itself, so that it can be shown.
    """

    def run(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, ranks: int) -> Any:
        parts, each = [], len(b1) // ranks
        for rank in range(ranks):
            others = torch.ones_like(b1, dtype=torch.bool)
            others[rank * each : (rank + 1) * each] = False
            own1, own_b1, own2 = w1.clone(), b1.clone(), w2.clone()
            own1[others], own_b1[others], own2[:, others] = (torch.nan,) * 3
            parts.append(answer(x.clone(), own1, own_b1, own2, b2.clone(), rank, ranks))
            if not isinstance(parts[-1], Tensor) or parts[-1].shape != x.shape:
                return parts[-1]
        return torch.stack(parts).sum(0)

    return run


def _part(
    x: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    rank: int,
    ranks: int,
    *,
    activation: Callable = F.gelu,
    last: Callable = lambda y: y,
    first_bias: float = 1.0,
    adds_bias: Callable = lambda rank: rank == 0,
    own: Callable | None = None,
) -> Tensor:
    """Rank's addend of GELU(x W1ᵀ + b1) W2ᵀ + b2, with one thing to get wrong at a time.

    W1 is [d_ff, d_model] and W2 [d_model, d_ff], as torch keeps them. Rank r has rows r·n to
    (r+1)·n of W1 and b1, and those columns of W2. Source: Shoeybi et al. 2019, section 3.
    """
    each = len(b1) // ranks
    mine = own(rank, each) if own else slice(rank * each, (rank + 1) * each)
    hidden = activation(F.linear(x, w1[mine], first_bias * b1[mine]))
    out = last(hidden @ w2[:, mine].T)
    return out + b2 if adds_bias(rank) else out


def _reference(
    x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, rank: int, ranks: int
) -> Tensor:
    return _part(x, w1, b1, w2, b2, rank, ranks)


def _changed(**change) -> Callable:
    return lambda *given: _part(*given, **change)


_MISTAKES = {
    "You used numbers that this rank doesn't have (the check fills them with NaN). Rank r holds "
    "rows r·n to (r+1)·n of W1 and b1, with n = d_ff / ranks, and those columns of W2.": (
        _changed(own=lambda rank, each: slice(None))
    ),
    "You add b2 on every rank, so the sum has it `ranks` times. One rank may add it, or each its "
    "share.": _changed(adds_bias=lambda rank: True),
    "b2 is nowhere: add it on one rank.": _changed(adds_bias=lambda rank: False),
    "You divide by the number of ranks. The parts are addends: their sum is the layer's output.": (
        lambda *given: _part(*given) / given[-1]
    ),
    "The GELU is missing: without it two matrices in a row are one.": _changed(
        activation=lambda x: x
    ),
    "You apply GELU to the partial output. Its place is between the matrices: there each rank has "
    "whole hidden numbers, after W2 only addends, and GELU of a sum isn't the sum of GELUs.": (
        _changed(activation=lambda x: x, last=F.gelu)
    ),
    "b1 is missing: its part belongs to the hidden numbers of this rank.": _changed(first_bias=0.0),
}

tensor_parallel = Exercise(
    name="distributed/tensor_parallel",
    title="A layer cut over ranks",
    answer="my_part",
    kind="build",
    minutes=30,
    points=12,
    cases=_cases,
    reference=_reference,
    mistakes=_MISTAKES,
    harness=summed,
)
