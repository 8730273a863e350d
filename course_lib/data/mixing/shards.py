"""Token ids on disk: flat binary files that a process reads by mapping them into memory.

A shard is one `.bin` file of token ids, document after document, without separators. The index
says where documents begin, and holds a sha256 of every file::

    corpus/index.json     {"dtype": "uint16", "vocab_size": …, "shards": [{"file", "documents",
                           "tokens", "sha256", "lengths_sha256"}, …]}
    corpus/00000.bin      ids, little-endian uint16 (uint32 from 65,536 tokens of vocabulary on)
    corpus/00000.len      the length of each document, uint32

`np.memmap` reads nothing until a slice is asked for: the operating system loads the pages that are
touched, keeps them while there is room, and shares them between processes. nanoGPT's `.bin` files
and Megatron's `.bin` and `.idx` are the same idea.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np


class ShardWriter:
    """Collects documents and writes a shard whenever `shard_tokens` are together."""

    def __init__(self, folder: Path, vocab_size: int, shard_tokens: int = 10_000_000):
        if vocab_size < 1 or vocab_size > 2**32 or shard_tokens < 1:
            raise ValueError(
                f"vocab_size={vocab_size}, shard_tokens={shard_tokens}: expected 1 "
                "to 2**32 and at least 1"
            )
        self.folder, self.vocab_size, self.shard_tokens = folder, vocab_size, shard_tokens
        self.dtype = np.dtype("<u2" if vocab_size <= 2**16 else "<u4")
        self.shards: list[dict] = []
        self._documents: list[np.ndarray] = []
        self._tokens = 0
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, ids: Sequence[int]) -> None:
        """One document. Raises ValueError for an empty one, or an id outside the vocabulary."""
        array = np.asarray(ids, np.int64)
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
        index = {"dtype": self.dtype.name, "vocab_size": self.vocab_size, "shards": self.shards}
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
    shard_tokens: int = 10_000_000,
) -> "Shards":
    """Write documents to shards and open them."""
    writer = ShardWriter(folder, vocab_size, shard_tokens)
    for ids in documents:
        writer.add(ids)
    writer.close()
    return Shards(folder)


class Shards:
    """Documents by number, read from mapped files. Opening reads the index and the lengths only."""

    def __init__(self, folder: Path, verify: bool = False):
        """verify: hash every file and compare. Always checked: that each has its full size."""
        path = folder / "index.json"
        if not path.exists():
            raise ValueError(f"{path}: no such file; a corpus is written by write_shards")
        self.folder, text = folder, path.read_text()
        self.index = json.loads(text)
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
