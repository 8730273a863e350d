"""Token ids on disk: flat binary files that a process reads by mapping them into memory.

Every corpus ends here, whatever its source: `write_tokens` encodes texts, one after the other.

A shard is one `.bin` file of token ids, document after document, without separators. The index
says where documents begin, and holds a sha256 of every file::

    corpus/index.json     {"dtype": "uint16", "vocab_size": …, "eos_id": …, "shards": [{"file",
                           "documents", "tokens", "sha256", "lengths_sha256"}, …]}
    corpus/00000.bin      ids, little-endian uint16 (uint32 from 65,536 tokens of vocabulary on)
    corpus/00000.len      the length of each document, uint32

`np.memmap` reads nothing until a slice is asked for: the operating system loads the pages that are
touched, keeps them while there is room, and shares them between processes. nanoGPT's `.bin` files
and Megatron's `.bin` and `.idx` are the same idea.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

SHARD_TOKENS = 10_000_000  # what a writer collects before it writes a file


@runtime_checkable
class Encoder(Protocol):
    """What a tokenizer must have to make batches: ours has it, and so has `web_tokens.GPT2`."""

    vocab_size: int
    eos_id: int

    def encode_batch(self, texts: Iterable[str]) -> Sequence[Sequence[int]]:
        """The ids of every text, without `<|eos|>`."""


class ShardWriter:
    """Collects documents and writes a shard whenever `shard_tokens` are together.

    Documents come without `eos_id`: the index names it, and a loader puts it between them.
    """

    def __init__(
        self, folder: Path, vocab_size: int, eos_id: int, shard_tokens: int = SHARD_TOKENS
    ):
        whole = all(isinstance(value, Integral) for value in (vocab_size, eos_id, shard_tokens))
        if not whole or not 1 <= vocab_size <= 2**32 or shard_tokens < 1:
            raise ValueError(
                f"vocab_size={vocab_size}, eos_id={eos_id}, shard_tokens={shard_tokens}: expected "
                "whole numbers, 1 to 2**32, one of the vocabulary, and at least 1"
            )
        if not 0 <= eos_id < vocab_size:
            raise ValueError(
                f"eos_id={eos_id}: expected an id of the vocabulary, below {vocab_size}"
            )
        self.folder, self.vocab_size, self.eos_id = folder, vocab_size, eos_id
        self.shard_tokens = shard_tokens
        self.dtype = np.dtype("<u2" if vocab_size <= 2**16 else "<u4")
        self.shards: list[dict] = []
        self._documents: list[np.ndarray] = []
        self._tokens = 0
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, ids: ArrayLike) -> None:
        """One document. Raises ValueError for an empty one, and for an id that isn't a whole number
        of the vocabulary: 2.7 would become 2 in silence."""
        given = np.asarray(ids)
        if given.size and (given.dtype.kind not in "iu" or given.ndim != 1):
            raise ValueError(
                f"a document has {given.dtype} of shape {given.shape}: expected whole numbers in "
                "one row"
            )
        array = given.astype(np.int64)
        if not array.size or array.min() < 0 or array.max() >= self.vocab_size:
            span = f"{array.min()} to {array.max()}" if array.size else "none"
            raise ValueError(
                f"a document has ids {span}: expected some, 0 to {self.vocab_size - 1}"
            )
        self._documents.append(array.astype(self.dtype))
        self._tokens += len(array)
        if self._tokens >= self.shard_tokens:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the index last: without it there is no corpus."""
        self._flush()
        index = {
            "dtype": self.dtype.name,
            "vocab_size": self.vocab_size,
            "eos_id": self.eos_id,
            "shards": self.shards,
        }
        (self.folder / "index.json").write_text(json.dumps(index, indent=1) + "\n")

    def _flush(self) -> None:
        if not self._documents:
            return
        name = f"{len(self.shards):05d}.bin"
        ids = np.concatenate(self._documents).tobytes()
        lengths = np.array([len(d) for d in self._documents], "<u4").tobytes()
        (self.folder / name).write_bytes(ids)
        (self.folder / name).with_suffix(".len").write_bytes(lengths)
        self.shards.append(
            {
                "file": name,
                "documents": len(self._documents),
                "tokens": self._tokens,
                "sha256": hashlib.sha256(ids).hexdigest(),
                "lengths_sha256": hashlib.sha256(lengths).hexdigest(),
            }
        )
        self._documents, self._tokens = [], 0


def write_shards(
    documents: Iterable[Sequence[int]],
    folder: Path,
    vocab_size: int,
    eos_id: int,
    shard_tokens: int = SHARD_TOKENS,
) -> "Shards":
    """Write documents to shards and open them."""
    writer = ShardWriter(folder, vocab_size, eos_id, shard_tokens)
    for ids in documents:
        writer.add(ids)
    writer.close()
    return Shards(folder)


def write_tokens(
    texts: Iterable[str],
    tokenizer: Encoder,
    folder: Path,
    *,
    most: int | None = None,
    together: int = 1_000,
    shard_tokens: int = SHARD_TOKENS,
) -> "Shards":
    """Encode ``together`` texts at a time, all of them or until ``most`` tokens are written.

    The index is written last, so that a killed preparation leaves no corpus that looks whole.
    Blank texts are passed over. Raises ValueError where there are fewer tokens than ``most``: a
    short corpus would be repeated; and for one text in the place of many.
    """
    if isinstance(texts, str) or together < 1 or (most is not None and most < 1):
        raise ValueError(
            f"{type(texts).__name__} of texts, together={together}, most={most}: expected an "
            "iterable of texts, at least 1, and at least 1 or None"
        )
    writer, tokens = ShardWriter(folder, tokenizer.vocab_size, tokenizer.eos_id, shard_tokens), 0
    for ids in _encoded(iter(texts), tokenizer, together):
        writer.add(ids)
        tokens += len(ids)
        if most is not None and tokens >= most:
            break
    if most is not None and tokens < most:
        raise ValueError(f"the texts hold {tokens:,} tokens, {most:,} were asked for")
    writer.close()
    return Shards(folder)


def _encoded(texts: Iterator[str], tokenizer: Encoder, together: int) -> Iterator[Sequence[int]]:
    while group := list(islice(texts, together)):
        if filled := [text for text in group if text.strip()]:
            yield from tokenizer.encode_batch(filled)


class Shards:
    """Documents by number, read from mapped files. Opening reads the index and the lengths only."""

    def __init__(self, folder: Path, verify: bool = False):
        """verify: hash every file and compare. Always checked: that each has its full size."""
        path = folder / "index.json"
        if not path.exists():
            raise ValueError(f"{path}: no such file; a corpus is written by write_tokens")
        self.folder, text = folder, path.read_text()
        self.index = json.loads(text)
        if "eos_id" not in self.index:
            raise ValueError(f"{path}: it names no eos_id; write these shards again")
        self.vocab_size, self.eos_id = self.index["vocab_size"], self.index["eos_id"]
        self.dtype = np.dtype(self.index["dtype"]).newbyteorder("<")
        for shard in self.index["shards"]:
            self._check(shard, verify)
        names = [shard["file"] for shard in self.index["shards"]]
        self._files = [np.memmap(folder / name, self.dtype, mode="r") for name in names]
        parts = [np.fromfile(folder / name.replace(".bin", ".len"), "<u4") for name in names]
        self.lengths = np.concatenate([*parts, np.zeros(0, "<u4")]).astype(np.int64)
        self._first = np.cumsum([0, *map(len, parts)])  # number of each shard's first document
        self._starts = [np.cumsum([0, *part.astype(np.int64)]) for part in parts]
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> np.ndarray:
        """The ids of a document: a view into the file, of its small integer type."""
        if not 0 <= number < len(self):
            raise IndexError(f"document {number}: there are {len(self)}, counted from 0")
        shard = int(np.searchsorted(self._first, number, side="right")) - 1
        place = number - self._first[shard]
        return self._files[shard][self._starts[shard][place] : self._starts[shard][place + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))

    def _check(self, shard: dict, verify: bool) -> None:
        files = (
            (shard["file"], shard["tokens"] * self.dtype.itemsize, shard["sha256"]),
            (
                shard["file"].replace(".bin", ".len"),
                shard["documents"] * 4,
                shard["lengths_sha256"],
            ),
        )
        for name, size, digest in files:
            path = self.folder / name
            if not path.exists() or path.stat().st_size != size:
                found = f"{path.stat().st_size} bytes" if path.exists() else "no file"
                raise ValueError(f"{path}: {found}, the index says {size} bytes: copy it again")
            if verify and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                raise ValueError(f"{path}: its sha256 isn't the index's: the file was changed")
