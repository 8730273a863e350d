"""Packed batches from shards: `batch_at(step)`, the same rows however often a run was stopped.

Every rank knows the same *global* sequence of rows and takes its share of each batch::

    epoch e      a permutation of all pieces, from (seed, e)
    window w     the next `window` pieces of it, packed into rows by best fit
    row r        the r-th row of that window

Step s reads the rows from number s · batch_size on. The sequence doesn't mention the number of
ranks: a run that stopped on 3 goes on on 4, and no row comes twice or never.

Where row n lies is found by packing the windows before it, from lengths alone. A restart need not
do that: the state holds a cursor to its next row (epoch, window, row) and packs one window. What
the state must pin down, or "exact" is an empty word: the shards (by fingerprint), seq_len,
batch_size, window, seed. A state that was made with others is refused.

With `window=None` the whole corpus is packed once, in its own order, and each epoch shuffles the
rows. That is `packing.batch` bit for bit, and how the course's base model is fed.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.mixing.packing import IGNORE, best_fit, epoch_order
from course_lib.data.mixing.shards import Shards

Piece = tuple[int, int, int]  # document, first token, one past the last


@dataclass(frozen=True, kw_only=True)
class LoaderConfig:
    """`batch_size` is the global batch: the rows that all ranks together take in a step."""

    seq_len: int
    batch_size: int
    window: int | None = 1_000
    seed: int = 0

    def __post_init__(self):
        for name, least in (("seq_len", 2), ("batch_size", 1), ("window", 1)):
            value = getattr(self, name)
            if value is None and name == "window":
                continue
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name}={value}: expected a whole number, at least {least}")


class PackedLoader:
    """Endless batches for one rank; see the module's text for the order of rows."""

    def __init__(self, shards: Shards, config: LoaderConfig, *, rank: int = 0, world_size: int = 1):
        if not 0 <= rank < world_size:
            raise ValueError(
                f"rank={rank} of world_size={world_size}: expected 0 to {world_size - 1}"
            )
        if config.batch_size % world_size:
            raise ValueError(
                f"batch_size={config.batch_size} can't be shared evenly by {world_size} "
                "ranks: choose a multiple"
            )
        if not len(shards):
            raise ValueError(f"{shards.folder}: no documents, so there is no batch")
        self.shards, self.config, self.rank, self.world_size = shards, config, rank, world_size
        self.pieces = _pieces(shards.lengths, config.seq_len - 1)
        self._base, self._first = 0, [0]  # a window, and the first rows of it and those after it
        self._packed: tuple[int, np.ndarray, list[list[int]]] | None = None

    @property
    def windows(self) -> int:
        """Windows in an epoch; the last one may be smaller."""
        return -(-len(self.pieces) // self.config.window) if self.config.window else 1

    def batch_at(self, step: int) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]:
        """This rank's inputs and targets of the global batch of a step, counted from 0."""
        return self.tensors(self.rows_at(step)[self.rank :: self.world_size])

    def rows_at(self, step: int) -> list[tuple[Piece, ...]]:
        """The global batch of a step, as pieces of documents."""
        first = step * self.config.batch_size
        return [self.row(number) for number in range(first, first + self.config.batch_size)]

    def documents_at(self, step: int) -> list[int]:
        """The documents in the global batch of a step, by number: what to look at after a spike."""
        return sorted({piece[0] for row in self.rows_at(step) for piece in row})

    def row(self, number: int) -> tuple[Piece, ...]:
        """A row of the global sequence, by its number from 0."""
        window, place = self._find(number)
        chosen, bins = self._window(window)
        return tuple(tuple(self.pieces[chosen[i]].tolist()) for i in bins[place])

    def cursor(self, step: int) -> dict[str, int]:
        """Where the first row of a step lies."""
        window, row = self._find(step * self.config.batch_size)
        epoch, window = divmod(window, self.windows)
        return {"epoch": epoch, "window": window, "row": row}

    def state_dict(self, step: int) -> dict:
        """What to save before `step`. JSON-ready, the same on every rank, two hundred bytes."""
        return {"step": step, "cursor": self.cursor(step), "made_by": self._identity()}

    def load_state_dict(self, state: dict) -> None:
        """Know where the state's step lies. Raises ValueError where it is of another sequence."""
        wanted = self._identity()
        for name, value in state["made_by"].items():
            if wanted.get(name) != value:
                raise ValueError(
                    f"the state was made with {name}={value!r}, this loader has "
                    f"{wanted.get(name)!r}: it would give other rows"
                )
        epoch, window, row = (state["cursor"][name] for name in ("epoch", "window", "row"))
        first = state["step"] * self.config.batch_size - row  # the window's first row
        if not (epoch >= 0 and 0 <= window < self.windows and 0 <= row and first >= 0):
            raise ValueError(f"{state['cursor']} is outside: an epoch has {self.windows} windows")
        number = epoch * self.windows + window
        if row >= len(self._window(number)[1]):
            raise ValueError(f"{state['cursor']}: it has {len(self._window(number)[1])} rows")
        self._base, self._first = number, [first]

    def tensors(
        self, rows: list[tuple[Piece, ...]]
    ) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]:
        """The layout of `packing.pack`: every piece between two `<|eos|>`, padding at the end."""
        eos, shape = self.shards.eos_id, (len(rows), self.config.seq_len)
        inputs, targets = np.full(shape, eos, np.int64), np.full(shape, IGNORE, np.int64)
        for number, row in enumerate(rows):
            parts = [np.array([eos])]
            for document, start, end in row:
                parts += [self.shards[document][start:end], np.array([eos])]
            line = np.concatenate(parts)
            inputs[number, : len(line) - 1], targets[number, : len(line) - 1] = line[:-1], line[1:]
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def _find(self, number: int) -> tuple[int, int]:
        """The window that holds a row, counted through all epochs, and the row's place in it."""
        if number < 0:
            raise ValueError(f"row {number}: steps and rows are counted from 0")
        if number < self._first[0]:
            self._base, self._first = 0, [0]
        while number >= self._first[-1]:
            _, bins = self._window(self._base + len(self._first) - 1)
            self._first.append(self._first[-1] + len(bins))
        known = bisect_right(self._first, number) - 1
        return self._base + known, number - self._first[known]

    def _window(self, number: int) -> tuple[np.ndarray, list[list[int]]]:
        """The pieces of a window, and its rows: best fit, then shuffled, or the longest documents
        would always come first.
        """
        if self._packed is None or self._packed[0] != number:
            epoch, window = divmod(number, self.windows)
            self._packed = number, *self._pack(epoch, window)
        return self._packed[1:]

    def _pack(self, epoch: int, window: int) -> tuple[np.ndarray, list[list[int]]]:
        seed, size = self.config.seed, self.config.window
        if size is None:
            mix = epoch_order(len(self._whole), seed, epoch).tolist()
            return np.arange(len(self.pieces)), [self._whole[i] for i in mix]
        order = np.random.default_rng((seed, epoch)).permutation(len(self.pieces))
        chosen = order[window * size : (window + 1) * size]
        bins = self._fit(chosen)
        mix = np.random.default_rng((seed, epoch, window)).permutation(len(bins))
        return chosen, [bins[i] for i in mix]

    @cached_property
    def _whole(self) -> list[list[int]]:
        """All pieces in rows, in the corpus's own order."""
        return self._fit(np.arange(len(self.pieces)))

    def _fit(self, chosen: np.ndarray) -> list[list[int]]:
        lengths = self.pieces[chosen, 2] - self.pieces[chosen, 1] + 1  # each behind an `<|eos|>`
        return best_fit(lengths.tolist(), self.config.seq_len)

    def _identity(self) -> dict:
        config = self.config
        return {
            "shards": self.shards.fingerprint,
            "seq_len": config.seq_len,
            "batch_size": config.batch_size,
            "window": config.window,
            "seed": config.seed,
        }


def _pieces(lengths: np.ndarray, most: int) -> np.ndarray:
    """Documents in pieces of at most `most` tokens: one `Piece` a row of the array."""
    counts = -(-lengths // most)
    documents = np.repeat(np.arange(len(lengths)), counts)
    starts = (np.arange(len(documents)) - np.repeat(np.cumsum(counts) - counts, counts)) * most
    return np.stack([documents, starts, np.minimum(starts + most, lengths[documents])], 1)
