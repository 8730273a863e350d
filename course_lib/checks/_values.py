"""Values of exercises: equal within a tolerance, in a few words, copied, and how they differ."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

Compare = Callable[[Any, Any], bool]


def close(got: Any, want: Any, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Same shape and near values, NaN in the same places; containers part by part."""
    if isinstance(want, Tensor):
        if not isinstance(got, Tensor) or got.shape != want.shape:
            return False
        if want.dtype == torch.bool or got.dtype == torch.bool:
            return got.dtype == want.dtype and bool((got == want).all())
        got, want = got.detach().double(), want.detach().double()
        return torch.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if isinstance(want, bool) or want is None or isinstance(want, str):
        return got == want
    if isinstance(want, int | float):
        value = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
        if not isinstance(value, int | float):
            return False
        return math.isclose(value, want, rel_tol=rtol, abs_tol=atol)
    if isinstance(want, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == want.keys()
            and all(close(got[key], want[key], rtol, atol) for key in want)
        )
    if isinstance(want, Sequence):
        return (
            isinstance(got, Sequence)
            and not isinstance(got, str)
            and len(got) == len(want)
            and all(close(g, w, rtol, atol) for g, w in zip(got, want, strict=True))
        )
    return bool(got == want)


def describe(value: Any, short: int = 60) -> str:
    """A value in a few words: the shape of a tensor, the start of a text."""
    if isinstance(value, Tensor):
        if value.numel() == 1:
            return f"{value.item():.6g}" if value.is_floating_point() else str(value.item())
        return f"tensor {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return ", ".join(describe(part, short) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={describe(part, short)}" for key, part in value.items())
    text = repr(value)
    return text if len(text) <= short else text[: short - 1] + "…"


def difference(got: Any, want: Any) -> str:
    if got is None and want is not None:
        return "Your function returned None: is there a `return`?"
    if isinstance(want, Tensor) and not isinstance(got, Tensor):
        return f"You returned a {type(got).__name__}, expected a {describe(want)}."
    if isinstance(want, Tensor) and got.shape != want.shape:
        return f"Your shape is {tuple(got.shape)}, expected {tuple(want.shape)}."
    if isinstance(want, Tensor) and torch.isnan(got.double()).any():
        where = int(torch.isnan(got.double()).sum())
        return f"{where} of your {got.numel()} values are NaN."
    if isinstance(want, Tensor) and want.numel() > 1:
        apart = (got.double() - want.double()).abs()
        at = tuple(int(i) for i in torch.unravel_index(apart.argmax(), apart.shape))
        return (
            f"Farthest apart at {list(at)}: you have {describe(got[at])}, expected "
            f"{describe(want[at])}; {int((apart > 1e-4).sum())} of {apart.numel()} values differ."
        )
    if type(got) is type(want) and isinstance(want, list | tuple) and len(got) == len(want):
        parts = zip(got, want, strict=True)
        at = next((i for i, pair in enumerate(parts) if not close(*pair)), None)
        if at is not None and isinstance(want[at], Tensor | list | tuple):
            return f"Part {at} of what you returned: " + difference(got[at], want[at])
    return f"You have {describe(got)}, expected {describe(want)}."


def copied(value: Any) -> Any:
    """A copy of what a function could change; anything else (a tokenizer, a world) is shared."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if isinstance(value, nn.Module | random.Random):
        return deepcopy(value)
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    return value


def same(a: Any, b: Any) -> bool:
    """Bit-equal, as far as tensors, numbers, texts and their containers go."""
    if isinstance(a, Tensor):
        return a.shape == b.shape and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b if isinstance(a, str | int | float | bool) else True


def size_of(value: Any) -> int:
    """How much there is to look at: numbers in tensors, letters in texts, parts of containers."""
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return len(value) if isinstance(value, str | bytes) else 1
