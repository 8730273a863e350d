"""Values to plain JSON and back, for the messages between the judge and a student's code.

The worker in the sandbox has this file without the rest of the package, so it imports nothing but
the standard library until there is a tensor. What comes out of the sandbox is not trusted: `decode`
builds numbers, texts, containers and tensors, and checks every size. Nothing in the data can name a
class or run code. Pickle is never used.
"""

import base64
import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

MAX_DEPTH = 24
MAX_NODES = 100_000
MAX_BYTES = 8 << 20  # of tensors and byte strings, decoded
MAX_DIGITS = 4_300  # as long as Python writes and reads an integer
MAX_BITS = 14_283  # of an integer of so many digits
MAX_DIMENSIONS = 16
MAX_KEYS = 50_000  # of a set or dict
MAX_SHARED = 64  # of them with one hash; honest keys share it by twos
MAX_MESSAGE = 1_000  # characters of an exception's text
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8")
DTYPES += ("bool",)
ODD_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Refused(ValueError):
    """A value that isn't sent: too big, too deep, or of a kind that has no plain form."""


Handle = Callable[[Any], Any]  # an object -> its handle (or None), a handle -> what stands for it


class _Budget:
    """How much more of a value is allowed; and `handle`, for an object that is no plain data."""

    def __init__(self, handle: Handle | None = None):
        self.nodes, self.bytes, self.handle = MAX_NODES, MAX_BYTES, handle

    def take(self, depth: int, size: int = 0) -> None:
        self.nodes -= 1
        self.bytes -= size
        if depth > MAX_DEPTH:
            raise Refused(f"nested deeper than {MAX_DEPTH} levels (or it contains itself)")
        if self.nodes < 0:
            raise Refused(f"more than {MAX_NODES:,} values")
        if self.bytes < 0:
            raise Refused(f"more than {MAX_BYTES:,} bytes of tensors and texts")


def encode(value: Any, handle: Handle | None = None) -> Any:
    """``value`` as JSON. Tensors as dtype, shape and base64; NaN and infinities by name.

    handle: gives the handle under which any other object crosses, or None. Raises Refused for what
    is too big, too deep, or of another type than numbers, texts, bytes, None, lists, tuples, sets,
    dicts and torch tensors.
    """
    return _encode(value, 0, _Budget(handle))


def _encode(value: Any, depth: int, budget: _Budget) -> Any:
    budget.take(depth)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise Refused(f"an integer of more than {MAX_DIGITS:,} digits")
        return {"int": str(int(value))} if abs(value) >= 2**53 else int(value)
    if isinstance(value, float):
        plain = float(value)
        return plain if math.isfinite(plain) else {"float": str(plain)}
    if isinstance(value, str):
        budget.take(depth, len(value))
        return str(value)
    if isinstance(value, bytes | bytearray):
        budget.take(depth, len(value))
        return {"bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, list | tuple | set | frozenset | range | deque):
        parts = [_encode(part, depth + 1, budget) for part in value]
        return parts if (kind := _kind(value)) == "list" else {kind: parts}
    if isinstance(value, dict):
        return {
            "dict": [
                [_encode(key, depth + 1, budget), _encode(part, depth + 1, budget)]
                for key, part in value.items()
            ]
        }
    if type(value).__name__ in ("bool_", "bool") and type(value).__module__ == "numpy":
        return bool(value)
    if budget.handle is not None and (found := budget.handle(value)) is not None:
        return {"handle": found}
    return {"tensor": _encode_tensor(value, depth, budget)}


def _kind(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return "set"
    return "tuple" if isinstance(value, tuple) else "list"


def _encode_tensor(value: Any, depth: int, budget: _Budget) -> dict:
    import torch

    if not isinstance(value, torch.Tensor):
        raise Refused(f"a {type(value).__name__} has no plain form: return numbers or tensors")
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES or value.layout != torch.strided or value.device.type != "cpu":
        raise Refused(f"a {value.dtype} tensor on {value.device}: expected a dense one, on the CPU")
    budget.take(depth, value.numel() * value.element_size())
    flat = value.detach().resolve_conj().contiguous().reshape(-1).view(torch.uint8)
    data = base64.b64encode(flat.numpy().tobytes()).decode()
    return {"dtype": dtype, "shape": list(value.shape), "data": data}


def decode(data: Any, handle: Handle | None = None) -> Any:
    """The value that ``data`` stands for. Raises Refused for anything `encode` doesn't write."""
    return _decode(data, 0, _Budget(handle))


def _decode(data: Any, depth: int, budget: _Budget) -> Any:
    budget.take(depth)
    if data is None or isinstance(data, bool | int | float):
        return data
    if isinstance(data, str):
        budget.take(depth, len(data))
        return data
    if isinstance(data, list):
        return [_decode(part, depth + 1, budget) for part in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise Refused(f"{_short(data)} is no value")
    ((kind, inner),) = data.items()
    try:
        return _TAGS[kind](inner, depth, budget)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"{_short(kind)}: not a value that the worker may send") from error


def _decode_parts(parts: list, depth: int, budget: _Budget) -> list:
    return [_decode(part, depth + 1, budget) for part in parts]


def _decode_dict(pairs: list, depth: int, budget: _Budget) -> dict:
    keys = _distinct([_decode(key, depth + 1, budget) for key, _ in pairs])
    return dict(zip(keys, (_decode(part, depth + 1, budget) for _, part in pairs), strict=True))


def _distinct(keys: list) -> list:
    """The keys. Refused where many share a hash (multiples of 2^61 - 1): those would take hours."""
    if len(keys) > MAX_KEYS:
        raise Refused(f"a set or dict of {len(keys):,}: at most {MAX_KEYS:,} cross")
    counts = Counter(map(hash, keys))
    if keys and max(counts.values()) > MAX_SHARED:
        raise Refused(f"a set or dict in which more than {MAX_SHARED} keys have one hash")
    return keys


def _decode_bytes(text: str, depth: int, budget: _Budget) -> bytes:
    budget.take(depth, len(text) * 3 // 4)
    return base64.b64decode(text, validate=True)


def _decode_tensor(inner: dict, depth: int, budget: _Budget) -> Any:
    import torch

    dtype, shape = inner["dtype"], inner["shape"]
    if not isinstance(dtype, str) or len(dtype) > 20 or dtype not in DTYPES:
        raise Refused(f"a tensor of dtype {_short(dtype)}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise Refused(f"a tensor of shape {_short(shape)}")
    if not all(type(size) is int and 0 <= size < 2**48 for size in shape):
        raise Refused(f"a tensor of shape {_short(shape)}")
    raw = _decode_bytes(inner["data"], depth, budget)
    kind = getattr(torch, dtype)
    if math.prod(shape) * kind.itemsize != len(raw):
        raise Refused(f"a tensor of shape {shape} with {len(raw)} bytes")
    if not raw:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(bytearray(raw), dtype=kind).reshape(shape)


_TAGS = {
    "int": lambda text, depth, budget: _long(text),
    "float": lambda text, depth, budget: ODD_FLOATS[text],
    "bytes": _decode_bytes,
    "tuple": lambda parts, depth, budget: tuple(_decode_parts(parts, depth, budget)),
    "set": lambda parts, depth, budget: set(_distinct(_decode_parts(parts, depth, budget))),
    "dict": lambda pairs, depth, budget: _decode_dict(pairs, depth, budget),
    "tensor": _decode_tensor,
    "handle": lambda inner, depth, budget: budget.handle(inner),
}


def _short(data: Any) -> str:
    """What was sent, for a message. The text of a container could be as long as what was sent."""
    return repr(data[:60]) if isinstance(data, str) else f"a {type(data).__name__}"


def _long(text: str) -> int:
    if not isinstance(text, str) or len(text) > MAX_DIGITS:
        raise Refused(f"an integer of more than {MAX_DIGITS:,} digits")
    return int(text)


def changes(arguments: Sequence, sent: list, handle: Handle | None = None) -> dict[str, Any]:
    """The arguments that a call changed: position -> new value, as JSON. sent: the old ones."""
    now = [encode(argument, handle) for argument in arguments]
    return {str(i): new for i, (new, old) in enumerate(zip(now, sent, strict=True)) if new != old}


def put_back(arguments: Sequence, changed: Any, handle: Handle | None = None) -> None:
    """Make the changes in the caller's own tensors, lists and dicts. Raises Refused for others."""
    if not isinstance(changed, dict):
        raise Refused(f"{_short(changed)} are no changes")
    for i, argument in enumerate(arguments):
        if str(i) in changed:
            _overwrite(argument, decode(changed[str(i)], handle))


def _overwrite(old: Any, new: Any) -> None:
    """Give ``old`` the content of ``new``, in place, down to the tensors."""
    if isinstance(old, list) and isinstance(new, list):
        if len(old) == len(new):
            old[:] = [_updated(a, b) for a, b in zip(old, new, strict=True)]
        else:
            old[:] = new
    elif isinstance(old, dict) and isinstance(new, dict):
        parts = {key: _updated(old[key], new[key]) if key in old else new[key] for key in new}
        old.clear()
        old.update(parts)
    elif isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        for a, b in zip(old, new, strict=True):
            _updated(a, b)
    elif isinstance(old, set) and isinstance(new, set):
        old.clear()
        old.update(new)
    else:
        _overwrite_tensor(old, new)


def _updated(old: Any, new: Any) -> Any:
    """The old object with the new content, or the new one where the old can't be changed."""
    try:
        _overwrite(old, new)
    except Refused:
        return new
    return old


def _overwrite_tensor(old: Any, new: Any) -> None:
    import torch

    if not isinstance(old, torch.Tensor) or not isinstance(new, torch.Tensor):
        raise Refused(f"a {type(old).__name__} can't become a {type(new).__name__} in place")
    if old.dtype != new.dtype:
        raise Refused(f"a {old.dtype} tensor can't become a {new.dtype} one in place")
    with torch.no_grad():
        if old.shape == new.shape:
            old.copy_(new)
        else:
            old.data = new


def encode_error(error: BaseException) -> dict[str, Any]:
    """An exception as its builtin class, if it is one, its plain arguments and its text."""
    builtin = type(error).__module__ == "builtins" and isinstance(error, Exception)
    try:
        said = str(error)
    except BaseException:  # a __str__ of the answer's own
        said = ""
    short = said[:MAX_MESSAGE].encode("utf-8", "replace").decode()
    try:
        arguments = encode(list(error.args)) if len(said) <= MAX_MESSAGE else [short]
    except Exception:  # no plain data
        arguments = [short]
    return {
        "type": type(error).__name__[:100] if builtin else "",
        "arguments": arguments,
        "said": f"{type(error).__name__[:100]}: {short}",
    }


def decode_error(data: Any, other: type[Exception]) -> Exception:
    """The exception, of the same builtin class; `other` for any that isn't builtin."""
    import builtins

    said = data.get("said") if isinstance(data, dict) else None
    if not isinstance(said, str):
        raise Refused(f"{_short(data)} is no exception")
    kind = getattr(builtins, str(data.get("type")), None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            error = kind(*decode(data.get("arguments")))
            return error if len(str(error)) <= MAX_MESSAGE else other(said)
        except Exception:  # arguments that this class doesn't take, or that may not cross
            pass
    return other(said[: MAX_MESSAGE + 200])
