"""LoRA: the adapted layer's output by the narrow path, and the one matrix that replaces it."""

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.values import close

Pair = tuple[Tensor, Tensor]
SIZES = (  # rows, inputs, outputs, rank, stable
    ("a square layer of rank 2, plain scale", 3, 4, 4, 2, False),
    ("a layer that widens, rank 4, plain scale", 5, 6, 10, 4, False),
    ("the same with the rank-stabilised scale", 5, 6, 10, 4, True),
    ("a layer that narrows, rank 3, rank-stabilised", 4, 12, 5, 3, True),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    cases = [Case(what, _layer(*sizes, generator)) for what, *sizes in SIZES]
    x, weight, a, b, stable = _layer(3, 5, 4, 2, True, generator)
    start = x, weight, a, torch.zeros_like(b), stable
    empty = _layer(0, 5, 4, 2, False, generator)
    return [
        *cases,
        Case("B is zero, as at the first step", start, edge=True),
        Case("a batch of no rows", empty, edge=True),
    ]


def _layer(
    rows: int, d_in: int, d_out: int, rank: int, stable: bool, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    shapes = ((rows, d_in), (d_out, d_in), (rank, d_in), (d_out, rank))
    return *(torch.randn(shape, generator=generator) for shape in shapes), stable


def _scale(alpha: int, rank: int, stable: bool) -> float:
    return alpha / rank**0.5 if stable else alpha / rank


def _lora(
    x: Tensor,
    weight: Tensor,
    a: Tensor,
    b: Tensor,
    stable: bool,
    *,
    ALPHA: int,
    scale=_scale,
    change=lambda a, b: b @ a,
    frozen: bool = True,
    detached: bool = True,
    base: float = 1.0,
) -> Pair:
    """Hu et al. 2021, section 4.1, with one thing to get wrong at a time; right by default."""
    weight = weight.detach() if frozen else weight
    delta = scale(ALPHA, a.shape[0], stable) * change(a, b)
    merged = weight + delta
    return x @ (base * weight + delta).T, merged.detach() if detached else merged


def _changed(**change):
    def wrong(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, stable: bool, *, ALPHA) -> Pair:
        return _lora(x, weight, a, b, stable, ALPHA=ALPHA, **change)

    return wrong


def _right(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, stable: bool, *, ALPHA) -> Pair:
    return _lora(x, weight, a, b, stable, ALPHA=ALPHA)


def _merged_without_scale(
    x: Tensor, weight: Tensor, a: Tensor, b: Tensor, stable: bool, *, ALPHA
) -> Pair:
    return _right(x, weight, a, b, stable, ALPHA=ALPHA)[0], (weight + b @ a).detach()


_MISTAKES = {
    "The change isn't scaled: it is alpha / rank times B A (alpha / sqrt(rank) when stable).": (
        _changed(scale=lambda alpha, rank, stable: 1.0)
    ),
    "You scale by alpha alone: divide by the rank, so that another rank doesn't ask for another "
    "learning rate.": _changed(scale=lambda alpha, rank, stable: alpha),
    "The flag `stable` changes nothing: the rank-stabilised scale is alpha / sqrt(rank).": (
        _changed(scale=lambda alpha, rank, stable: alpha / rank)
    ),
    "You always divide by sqrt(rank): that is the stable variant; the plain one is alpha / rank.": (
        _changed(scale=lambda alpha, rank, stable: alpha / rank**0.5)
    ),
    "The scale is upside down: alpha / rank, not rank / alpha.": (
        _changed(scale=lambda alpha, rank, stable: 1 / _scale(alpha, rank, stable))
    ),
    "You multiply A by B: the change is B A, of shape [d_out, d_in]. A comes first only in time: "
    "it meets x before B does.": _changed(change=lambda a, b: a @ b),
    "The output lacks W x: an adapter adds to what the layer says, it doesn't replace it.": (
        _changed(base=0.0)
    ),
    "The output is scaled, the merged matrix isn't: merging must add the same alpha / rank times "
    "B A, or the served model is another than the trained one.": _merged_without_scale,
    "The big matrix gets a gradient. LoRA trains A and B alone: use weight.detach() (in a module: "
    "requires_grad_(False)).": _changed(frozen=False),
    "The merged matrix still hangs on the graph of A and B. It is for serving: detach it, or merge "
    "under torch.no_grad().": _changed(detached=False),
}

lora_merge = Exercise(
    name="sft/lora_merge",
    title="LoRA, and its merge",
    answer="my_lora",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    compare=partial(close, atol=1e-4),  # slopes are sums of dozens of terms that cancel
    gradients=(1, 2, 3),
    constants={"ALPHA": (16, 8, 24)},
)
