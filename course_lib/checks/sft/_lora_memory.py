"""Predict: what a LoRA run holds in memory, against what a run of these shapes was seen to hold."""

import random
from collections.abc import Callable

import torch
from torch import nn

from course_lib.checks.exercise import Case, Exercise

Layers = list[tuple[int, int, bool]]
Bytes = dict[str, int]
WIDTH = {"float32": 4, "bfloat16": 2}


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def layers(*adapted: bool) -> Layers:
        return [(4 * rng.randint(3, 12), 4 * rng.randint(3, 12), one) for one in adapted]

    def rank() -> int:
        return rng.choice((3, 5, 6))

    return [
        Case("one adapted layer, all in float32", (layers(True), rank(), "float32")),
        Case("the same with a frozen matrix in bfloat16", (layers(True), rank(), "bfloat16")),
        Case("two of three layers adapted", (layers(True, False, True), rank(), "bfloat16")),
        Case(
            "six layers, four of them adapted",
            (layers(True, False, True, True, False, True), rank(), "float32"),
        ),
        Case("rank 1", (layers(True, True), 1, "bfloat16"), edge=True),
        Case("no layer is adapted", (layers(False, False), 4, "bfloat16"), edge=True),
    ]


class _Adapted(nn.Module):
    """A frozen matrix with trainable A and B in float32 beside it, as PEFT keeps them."""

    def __init__(self, d_in: int, d_out: int, rank: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(d_out, d_in, dtype=dtype), requires_grad=False)
        self.a = nn.Parameter(torch.ones(rank, d_in)) if rank else None
        self.b = nn.Parameter(torch.zeros(d_out, rank)) if rank else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = (x.to(self.weight.dtype) @ self.weight.T).float()
        return y if self.a is None else y + x @ self.a.T @ self.b.T


def _measured(layers: Layers, rank: int, dtype: str) -> Bytes:
    """Train one step, then count what is there."""
    modules = nn.ModuleList(
        _Adapted(d_in, d_out, rank if adapted else 0, getattr(torch, dtype))
        for d_in, d_out, adapted in layers
    )
    parameters = list(modules.parameters())
    trained = [p for p in parameters if p.requires_grad]
    moments = []
    if trained:
        optimizer = torch.optim.AdamW(trained)
        loss = sum(m(torch.ones(1, m.weight.shape[1])).sum() for m in modules)
        loss.backward()
        optimizer.step()
        moments = [t for state in optimizer.state.values() for k, t in state.items() if k != "step"]
    return {
        "trainable": sum(p.numel() for p in trained),
        "weights": _bytes(parameters),
        "gradients": _bytes([p.grad for p in parameters if p.grad is not None]),
        "optimizer": _bytes(moments),
    }


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _formula(
    layers: Layers,
    rank: int,
    dtype: str,
    *,
    per_layer: Callable[[int, int, int], int] = lambda d_in, d_out, rank: rank * (d_in + d_out),
    picked: Callable[[bool], bool] = lambda adapted: adapted,
    frozen: bool = True,
    adapters: bool = True,
    width: Callable[[str], int] = lambda dtype: 4,
    base: Callable[[str], int] = WIDTH.get,
    moments: int = 2,
    graded: bool = False,
) -> Bytes:
    """The prediction, with one thing to get wrong at a time."""
    trainable = sum(per_layer(d_in, d_out, rank) for d_in, d_out, a in layers if picked(a))
    matrices = sum(d_in * d_out for d_in, d_out, _ in layers)
    each = width(dtype)
    return {
        "trainable": trainable,
        "weights": frozen * base(dtype) * matrices + adapters * each * trainable,
        "gradients": each * trainable + graded * base(dtype) * matrices,
        "optimizer": moments * (each * trainable + graded * base(dtype) * matrices),
    }


def _changed(**change) -> Callable[[Layers, int, str], Bytes]:
    return lambda layers, rank, dtype: _formula(layers, rank, dtype, **change)


_MISTAKES = {
    "You count one of the two narrow matrices: A holds rank × d_in numbers and B d_out × rank.": (
        _changed(per_layer=lambda d_in, d_out, rank: rank * d_in)
    ),
    "You count the product B A, which is never stored: A and B are, rank × (d_in + d_out) "
    "numbers.": (_changed(per_layer=lambda d_in, d_out, rank: d_in * d_out)),
    "You give every layer an adapter: only those marked True have one.": (
        _changed(picked=lambda adapted: True)
    ),
    "The frozen matrices are missing from the weights: they aren't trained, but they must be "
    "there to compute with. They are most of it.": _changed(frozen=False),
    "The adapters are missing from the weights: while you train, they are there too.": (
        _changed(adapters=False)
    ),
    "The frozen matrices get gradients and moments in your count. Saving those is LoRA's point: "
    "only A and B have them.": _changed(graded=True),
    "AdamW keeps two numbers a parameter, the mean and the mean square of its gradients; you count "
    "one.": _changed(moments=1),
    "You count the gradients as a third moment: the optimizer's own state is two numbers a "
    "parameter.": _changed(moments=3),
    "You give A and B the frozen matrix's data type. They stay in float32, 4 bytes a number, so "
    "that small steps aren't rounded away.": _changed(width=WIDTH.get),
    "You count 4 bytes a number throughout: in bfloat16 a frozen matrix takes 2.": (
        _changed(base=lambda dtype: 4)
    ),
}

lora_memory = Exercise(
    name="sft/lora_memory",
    title="What LoRA saves",
    answer="my_lora_memory",
    kind="predict",
    minutes=20,
    points=10,
    cases=_cases,
    reference=_measured,
    mistakes=_MISTAKES,
)
