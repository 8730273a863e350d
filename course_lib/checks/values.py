"""Values of exercises: equal within a tolerance, in a few words, copied, and how they differ."""

import math
import os.path
import random
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

Compare = Callable[[Any, Any], bool]
PLAIN = (str, bytes, int, float, bool, type(None))
WHOLE = 12  # tensors of at most so many numbers are printed, larger ones described


def close(got: Any, want: Any, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Same shape, kind of number and near values, NaN in the same places; containers by parts.

    ``atol`` is for values of about 1; where a tensor's largest is above that, it grows with it: a
    gradient that sums hundreds of float32 terms is a rounding off 0 where terms cancel.
    float64 for float32 will do; a float for an index or a boolean won't.
    """
    if isinstance(want, Tensor):
        if not isinstance(got, Tensor) or got.shape != want.shape or _kind(got) != _kind(want):
            return False
        if not want.is_floating_point():
            return bool((got == want).all())
        got, want = got.detach().double(), want.detach().double()
        finite = want[torch.isfinite(want)].abs()
        scale = max(1.0, finite.max().item()) if finite.numel() else 1.0
        return torch.allclose(got, want, rtol=rtol, atol=atol * scale, equal_nan=True)
    if isinstance(want, bool) or want is None or isinstance(want, str):
        return got == want
    if isinstance(want, int | float):
        value = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
        if not isinstance(value, int | float):
            return False
        both_nan = value != value and want != want
        return both_nan or math.isclose(value, want, rel_tol=rtol, abs_tol=atol)
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
    """A value in a few words: a small tensor, the shape of a large one, the start of a text."""
    if isinstance(value, Tensor):
        if value.numel() == 1 and value.ndim == 0:
            return _number(value.item())
        if 0 < value.numel() <= WHOLE:
            return _nested(value.tolist())
        return f"tensor {tuple(value.shape)} {_dtype(value)}"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, tuple):
        return ", ".join(describe(part, short) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={describe(part, short)}" for key, part in value.items())
    text = _nested(value) if isinstance(value, list) else repr(value)
    return text if len(text) <= short else text[: short - 1] + "…"


def in_words(names: Sequence[str], values: Sequence[Any], width: int = 90) -> str:
    """Arguments by name: on one line where they fit, else one a line."""
    if len(names) != len(values):
        return describe(tuple(values))
    said = [f"{name} = {describe(value)}" for name, value in zip(names, values, strict=True)]
    line = ", ".join(said)
    return line if len(line) <= width else "\n".join(said)


def difference(got: Any, want: Any) -> str:
    """In which way this is not what was expected; the first thing to look at comes first."""
    if got is None and want is not None:
        return "Your function returned None: is there a `return`?"
    return _apart(got, want)


def _apart(got: Any, want: Any) -> str:
    if got is None and want is not None:
        return f"there is None, expected {describe(want)}."
    if isinstance(want, Tensor):
        return _difference_of_tensors(got, want)
    if isinstance(want, Mapping) and isinstance(got, Mapping):
        return _difference_of_mappings(got, want)
    if isinstance(got, list | tuple) and isinstance(want, list | tuple):
        return _difference_of_sequences(got, want)
    if isinstance(want, tuple) and len(want) > 1:
        return f"You returned one {type(got).__name__}, expected {len(want)} values."
    said = f"You have {describe(got)}, expected {describe(want)}."
    if isinstance(got, str) and isinstance(want, str) and max(len(got), len(want)) > 20:
        at = len(os.path.commonprefix([got, want]))
        near = slice(max(at - 15, 0), at + 15)
        said += f" They part at character {at}: {got[near]!r} where {want[near]!r} is expected."
    return said


def _difference_of_tensors(got: Any, want: Tensor) -> str:
    if not isinstance(got, Tensor):
        shape = tuple(want.shape)
        return f"You returned a {type(got).__name__}, expected a tensor {shape} {_dtype(want)}."
    if got.shape != want.shape:
        return f"Your shape is {tuple(got.shape)}, expected {tuple(want.shape)}."
    if _kind(got) != _kind(want):
        return f"Your tensor holds {_kind(got)} ({_dtype(got)}), expected {_kind(want)}."
    both = f"\nyou have  {describe(got)}\nexpected  {describe(want)}"
    both = both if want.numel() <= WHOLE else ""
    mine, right = got.detach().double(), want.detach().double()
    if (torch.isnan(mine) & ~torch.isnan(right)).any():
        where = int((torch.isnan(mine) & ~torch.isnan(right)).sum())
        return f"{where} of your {got.numel()} values are NaN." + both
    if want.numel() < 2:
        return f"You have {describe(got)}, expected {describe(want)}."
    apart = torch.where(mine == right, 0.0, (mine - right).abs())
    at = tuple(int(i) for i in torch.unravel_index(apart.argmax(), apart.shape))
    differ = int((~torch.isclose(mine, right, rtol=1e-4, atol=1e-6, equal_nan=True)).sum())
    return (
        f"Farthest apart at {list(at)}: you have {describe(got[at])}, expected "
        f"{describe(want[at])}; {differ} of {apart.numel()} values differ." + both
    )


def _difference_of_mappings(got: Mapping, want: Mapping) -> str:
    if got.keys() != want.keys():
        return f"Your keys are {describe(list(got))}, expected {describe(list(want))}."
    at = next((key for key in want if not close(got[key], want[key])), None)
    if at is None:
        return f"You have {describe(got)}, expected {describe(want)}."
    return f"At {at!r}: " + _apart(got[at], want[at])


def _difference_of_sequences(got: Sequence, want: Sequence) -> str:
    said = f"You have {describe(got)}, expected {describe(want)}."
    if len(got) != len(want):
        return f"You returned {len(got)} parts, expected {len(want)}. " + said
    parts = zip(got, want, strict=True)
    at = next((i for i, pair in enumerate(parts) if not close(*pair)), None)
    if at is None:
        return said
    if isinstance(want[at], Tensor | list | tuple | Mapping):
        inner = (
            _apart(got[at], want[at]).replace("Part ", "part ").replace("what you returned", "it")
        )
        return f"Part {at} of what you returned: {inner}"
    if len(want) > 2:
        said += f" First at place {at}: {describe(got[at])} where {describe(want[at])} is expected."
    return said


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _nested(value: Any) -> str:
    """A list as Python writes it, its numbers to four figures."""
    if isinstance(value, list | tuple):
        inside = ", ".join(map(_nested, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _kind(value: Tensor) -> str:
    if value.dtype == torch.bool:
        return "booleans"
    return "floats" if value.is_floating_point() else "integers"


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
    """Bit-equal, as far as tensors, numbers, texts and their containers go.

    ``a`` is what a function was given, ``b`` what it was like before.
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        left_behind = a.grad is not None and b.grad is None
        equal = a.shape == b.shape and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))
        return equal and not left_behind
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, PLAIN) or isinstance(b, PLAIN):
        return type(a) is type(b) and (a == b or (a != a and b != b))
    return isinstance(a, type(b)) or isinstance(b, type(a))


def size_of(value: Any) -> int:
    """How much there is to look at: numbers in tensors, letters in texts, parts of containers."""
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return len(value) if isinstance(value, str | bytes) else 1
