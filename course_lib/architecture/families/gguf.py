"""Read a GGUF file, the format of llama.cpp and Ollama: its metadata, and its tensors in float32.

    header      "GGUF", version, number of tensors, number of metadata entries
    metadata    a name, the type of its value, the value: sizes, tokens, merges, chat template
    tensors     a name, the sizes (the fastest axis first), a type, where its bytes begin
    padding     up to a multiple of general.alignment (32 where it isn't said)
    data        the tensors' bytes, each at a multiple of the alignment

All numbers are little-endian. Source: ggml's docs/gguf.md and, for the blocks, ggml-common.h.
Deviations: versions 2 and 3 alone (version 1 counted in 32 bits), and of some forty types the six
that `TYPES` lists. A file is not trusted: a count or length that it hasn't the bytes for is an
error, not a wait.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

MAGIC = b"GGUF"
VERSIONS = (2, 3)
BLOCK = 32  # weights that share one scale
MAX_AXES = 4  # ggml has no tensor with more
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
NUMBERS[12] = "d"
STRING, ARRAY = 8, 9
Blocks = UInt8[Tensor, "blocks bytes"]
Values = Float[Tensor, "blocks values"]


def _float(blocks: Blocks, dtype: torch.dtype) -> Values:
    return blocks.contiguous().view(dtype).float()


def unpack_nibbles(packed: UInt8[Tensor, "blocks 16"]) -> UInt8[Tensor, "blocks 32"]:
    """Two weights a byte: the low halves are weights 0 to 15 of a block, the high 16 to 31."""
    return torch.cat((packed & 0x0F, packed >> 4), dim=1)


def q4_0(blocks: Blocks) -> Values:
    """w = d (q - 8), q from 0 to 15. A block: d in float16, 16 bytes of q."""
    return _float(blocks[:, :2], torch.float16) * (unpack_nibbles(blocks[:, 2:]).float() - 8)


def q4_1(blocks: Blocks) -> Values:
    """w = d q + m, q from 0 to 15. A block: d and m in float16, 16 bytes of q."""
    d, m = _float(blocks[:, :2], torch.float16), _float(blocks[:, 2:4], torch.float16)
    return d * unpack_nibbles(blocks[:, 4:]).float() + m


def q8_0(blocks: Blocks) -> Values:
    """w = d q, q from -128 to 127. A block: d in float16, 32 bytes of q."""
    return _float(blocks[:, :2], torch.float16) * _float(blocks[:, 2:], torch.int8)


@dataclass(frozen=True)
class BlockType:
    """How `values` weights lie in `bytes` bytes, and what makes numbers of them."""

    name: str
    values: int
    bytes: int
    unpack: Callable[[Blocks], Values]


TYPES = {
    0: BlockType("F32", 1, 4, lambda blocks: _float(blocks, torch.float32)),
    1: BlockType("F16", 1, 2, lambda blocks: _float(blocks, torch.float16)),
    2: BlockType("Q4_0", BLOCK, 2 + BLOCK // 2, q4_0),
    3: BlockType("Q4_1", BLOCK, 4 + BLOCK // 2, q4_1),
    8: BlockType("Q8_0", BLOCK, 2 + BLOCK, q8_0),
    30: BlockType("BF16", 1, 2, lambda blocks: _float(blocks, torch.bfloat16)),
}
# What else one meets, so that an error can say what it met. ggml.h, enum ggml_type.
REFUSED = {6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K"}
REFUSED |= {14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 20: "IQ4_NL", 23: "IQ4_XS", 24: "I8"}
REFUSED |= {25: "I16", 26: "I32", 27: "I64", 28: "F64", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor is. `shape` as in torch: the file has its axes the other way round."""

    name: str
    shape: tuple[int, ...]
    type: BlockType
    start: int  # in the file

    @property
    def bytes(self) -> int:
        """What it takes in the file."""
        return math.prod(self.shape) // self.type.values * self.type.bytes


@dataclass(frozen=True)
class GGUF:
    """A file that was read up to its data: metadata and places. `tensor` reads one of them."""

    path: Path
    version: int
    metadata: dict[str, object] = field(repr=False)
    tensors: dict[str, TensorInfo] = field(repr=False)
    data_start: int

    def blocks(self, name: str) -> UInt8[Tensor, "blocks bytes"]:
        """A tensor's bytes as they lie in the file, a row for each block."""
        if name not in self.tensors:
            raise ValueError(f"{self.path}: no tensor {name!r} among its {len(self.tensors)}")
        info = self.tensors[name]
        with self.path.open("rb") as file:
            file.seek(info.start)
            data = bytearray(file.read(info.bytes))
        if len(data) < info.bytes:
            raise ValueError(f"{self.path}: cut short since it was opened, in tensor {name!r}")
        return torch.frombuffer(data, dtype=torch.uint8).view(-1, info.type.bytes)

    def tensor(self, name: str) -> Float[Tensor, "*shape"]:
        """A tensor in float32, whatever its type in the file."""
        blocks = self.blocks(name)
        return self.tensors[name].type.unpack(blocks).reshape(self.tensors[name].shape)


def read_gguf(path: Path | str) -> GGUF:
    """Open a file: its metadata and where its tensors are, not yet their numbers.

    Raises ValueError, which names the file and the place, for one that is cut short, no GGUF, of
    another version, or holds a type that we don't read.
    """
    path = Path(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        magic = file.read(4)
    if magic != MAGIC:
        raise ValueError(f"{path}: begins with {magic!r}, expected {MAGIC!r}: no GGUF file")
    reader = _Reader(path, size)
    version = reader.number("I", "the version")
    if version not in VERSIONS:
        hint = " (a big-endian file?)" if version >= 1 << 16 else ""
        raise ValueError(f"{path}: version {version}{hint}, expected 2 or 3")
    n_tensors = reader.count("tensors", 24)
    n_entries = reader.count("metadata entries", 12)
    metadata: dict[str, object] = {}
    for _ in range(n_entries):
        name = reader.string("a metadata name")
        if name in metadata:
            raise ValueError(f"{path}: metadata {name!r} twice")
        metadata[name] = reader.value(reader.number("I", name), name)
    alignment = metadata.get("general.alignment", BLOCK)
    if not isinstance(alignment, int) or alignment < 8 or alignment % 8:
        raise ValueError(f"{path}: general.alignment is {alignment!r}, expected a multiple of 8")
    infos = [reader.tensor_info() for _ in range(n_tensors)]
    start = -(-reader.place // alignment) * alignment
    tensors: dict[str, TensorInfo] = {}
    for info in infos:
        if info.name in tensors:
            raise ValueError(f"{path}: tensor {info.name!r} twice")
        tensors[info.name] = _placed(info, path, start, size, alignment)
    return GGUF(path, version, metadata, tensors, start)


def _placed(info: TensorInfo, path: Path, start: int, size: int, alignment: int) -> TensorInfo:
    """The info with its place in the file, where it lies within it."""
    if info.start % alignment:
        raise ValueError(
            f"{path}: tensor {info.name!r} is at {info.start}, expected a multiple of {alignment}"
        )
    end = start + info.start + info.bytes
    if end > size:
        raise ValueError(
            f"{path}: tensor {info.name!r} ends at byte {end:,}, the file at {size:,}: cut short"
        )
    return TensorInfo(info.name, info.shape, info.type, start + info.start)


class _Reader:
    """Takes one value after the other, and says where the file ends too early."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size, self.place = path, size, len(MAGIC)
        self.data = np.memmap(path, np.uint8, "r")

    def take(self, n_bytes: int, what: str) -> bytes:
        if n_bytes > self.size - self.place:
            raise ValueError(
                f"{self.path}: {what} needs {n_bytes:,} bytes at {self.place:,}, the file has "
                f"{self.size:,}: cut short"
            )
        self.place += n_bytes
        return self.data[self.place - n_bytes : self.place].tobytes()

    def number(self, code: str, what: str) -> int | float | bool:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(code), what))[0]

    def count(self, what: str, least: int) -> int:
        """How many follow; each takes at least `least` bytes, so the file bounds the count."""
        number = self.number("Q", f"the number of {what}")
        if number * least > self.size - self.place:
            raise ValueError(
                f"{self.path}: {number:,} {what} at byte {self.place:,}, for which the file of "
                f"{self.size:,} bytes has no room: cut short, or no GGUF"
            )
        return number

    def string(self, what: str) -> str:
        text = self.take(self.number("Q", what), what)
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path}: {what} is no UTF-8: {text[:40]!r}") from error

    def value(self, kind: int, what: str) -> object:
        """One value; an array of numbers or strings becomes a list."""
        if kind in NUMBERS:
            return self.number(NUMBERS[kind], what)
        if kind == STRING:
            return self.string(what)
        if kind != ARRAY:
            raise ValueError(
                f"{self.path}: metadata {what!r} has type {kind}, expected one of 0 to 12"
            )
        inner = self.number("I", what)
        if inner in NUMBERS:
            code = NUMBERS[inner]
            n = self.count(f"values of {what!r}", struct.calcsize(code))
            return list(struct.unpack(f"<{n}{code}", self.take(n * struct.calcsize(code), what)))
        if inner != STRING:
            raise ValueError(
                f"{self.path}: metadata {what!r} is an array of type {inner}, expected numbers or "
                "strings"
            )
        return [self.string(what) for _ in range(self.count(f"values of {what!r}", 8))]

    def tensor_info(self) -> TensorInfo:
        """A tensor's entry; its start still counts from the start of the data."""
        name = self.string("a tensor's name")
        n_axes = self.number("I", name)
        if n_axes > MAX_AXES:
            raise ValueError(
                f"{self.path}: tensor {name!r} has {n_axes} axes, expected {MAX_AXES} or fewer"
            )
        shape = tuple(self.number("Q", name) for _ in range(n_axes))[::-1]
        kind, start = self.number("I", name), self.number("Q", name)
        if kind not in TYPES:
            known = ", ".join(found.name for found in TYPES.values())
            kind = f"{REFUSED[kind]} ({kind})" if kind in REFUSED else kind
            raise ValueError(
                f"{self.path}: tensor {name!r} has type {kind}, expected one of {known}"
            )
        per_block = TYPES[kind].values
        if 0 in shape or (shape[-1] if shape else 1) % per_block:
            raise ValueError(
                f"{self.path}: tensor {name!r} has shape {shape}, expected a last axis in blocks "
                f"of {per_block}, as {TYPES[kind].name} has them"
            )
        return TensorInfo(name, shape, TYPES[kind], start)
