"""Packed batches from shards, by a loader whose whole state is three small numbers.

Every rank walks the same *global* sequence of rows and takes its share of each batch::

    epoch e      a permutation of all pieces, from (seed, e)
    window w     the next `window` pieces of it, packed into rows by best fit
    row r        the r-th row of that window

So the position is a cursor (epoch, window, row), the same on every rank. It doesn't mention the
number of ranks: a run that stopped on 3 goes on on 4, and no row comes twice or never. A restart
packs one window again, from lengths alone, and reads only the tokens of its own rows.

What the state must pin down, or "exact" is an empty word: the shards (by fingerprint), seq_len,
window, seed. A state that was made with others is refused.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.mixing.packing import IGNORE, best_fit
from course_lib.data.mixing.shards import Shards

Piece = tuple[int, int, int]  # document, first token, one past the last


@dataclass(frozen=True, kw_only=True)
class LoaderConfig:
    """`batch_rows` is the global batch: what all ranks together take in a step."""

    seq_len: int
    batch_rows: int
    eos_id: int
    window: int = 1_000
    seed: int = 0

    def __post_init__(self):
        for name in ("seq_len", "batch_rows", "window"):
            if getattr(self, name) < (2 if name == "seq_len" else 1):
                raise ValueError(f"{name}={getattr(self, name)} is too small")


@dataclass(frozen=True, order=True)
class Cursor:
    """The next row of the global sequence."""

    epoch: int = 0
    window: int = 0
    row: int = 0


class PackedLoader:
    """Endless batches for one rank; see the module's text for the order of rows."""

    def __init__(self, shards: Shards, config: LoaderConfig, *, rank: int = 0, world: int = 1):
        if not 0 <= rank < world:
            raise ValueError(f"rank={rank} of world={world}: expected 0 to {world - 1}")
        if config.batch_rows % world:
            raise ValueError(
                f"batch_rows={config.batch_rows} can't be shared evenly by {world} "
                "ranks: choose a multiple"
            )
        if not len(shards):
            raise ValueError(f"{shards.folder}: no documents, so there is no batch")
        self.shards, self.config, self.rank, self.world = shards, config, rank, world
        self.cursor = Cursor()
        self.pieces = _pieces(shards.lengths, config.seq_len - 1)
        self._packed: tuple[tuple[int, int], list[list[int]]] | None = None

    @property
    def windows(self) -> int:
        """Windows in an epoch; the last one may be smaller."""
        return -(-len(self.pieces) // self.config.window)

    def batch(self) -> tuple[Int[Tensor, "rows seq"], Int[Tensor, "rows seq"]]:
        """This rank's inputs and targets of the next global batch; all ranks move on by it."""
        rows = [self._next_row() for _ in range(self.config.batch_rows)]
        return self.tensors(rows[self.rank :: self.world])

    def state_dict(self) -> dict:
        """JSON-ready, the same on every rank, a hundred bytes however large the corpus is."""
        return {"cursor": asdict(self.cursor), "made_by": self._identity()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from there. Raises ValueError where the state belongs to another sequence."""
        wanted = self._identity()
        for name, value in state["made_by"].items():
            if wanted.get(name) != value:
                raise ValueError(
                    f"the state was made with {name}={value!r}, this loader has "
                    f"{wanted.get(name)!r}: it would give other rows"
                )
        cursor = Cursor(**state["cursor"])
        if not (cursor.epoch >= 0 and 0 <= cursor.window < self.windows and cursor.row >= 0):
            raise ValueError(f"{cursor} is outside: an epoch has {self.windows} windows")
        self.cursor = cursor

    def rows(self) -> Iterator[tuple[Piece, ...]]:
        """The global sequence from the cursor on, as pieces of documents: what the tests count."""
        while True:
            yield self._next_row()

    def tensors(
        self, rows: list[tuple[Piece, ...]]
    ) -> tuple[Int[Tensor, "rows seq"], Int[Tensor, "rows seq"]]:
        """The layout of `packing.pack`: every piece between two `<|eos|>`, padding at the end."""
        eos, shape = self.config.eos_id, (len(rows), self.config.seq_len)
        inputs, targets = np.full(shape, eos, np.int64), np.full(shape, IGNORE, np.int64)
        for number, row in enumerate(rows):
            parts = [np.array([eos])]
            for document, start, end in row:
                parts += [self.shards[document][start:end], np.array([eos])]
            line = np.concatenate(parts)
            inputs[number, : len(line) - 1], targets[number, : len(line) - 1] = line[:-1], line[1:]
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def _next_row(self) -> tuple[Piece, ...]:
        here = self.cursor
        window, bins = self._window(here.epoch, here.window)
        if here.row >= len(bins):
            raise ValueError(f"{here}: this window has {len(bins)} rows")
        row = tuple(self.pieces[window[i]] for i in bins[here.row])
        if here.row + 1 < len(bins):
            self.cursor = Cursor(here.epoch, here.window, here.row + 1)
        elif here.window + 1 < self.windows:
            self.cursor = Cursor(here.epoch, here.window + 1, 0)
        else:
            self.cursor = Cursor(here.epoch + 1, 0, 0)
        return row

    def _window(self, epoch: int, window: int) -> tuple[np.ndarray, list[list[int]]]:
        """The pieces of a window, and its rows: best fit, then shuffled, or the longest documents
        would always come first.
        """
        if self._packed is None or self._packed[0] != (epoch, window):
            order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.pieces))
            chosen = order[window * self.config.window : (window + 1) * self.config.window]
            lengths = [self.pieces[i][2] - self.pieces[i][1] + 1 for i in chosen]
            bins = best_fit(lengths, self.config.seq_len)
            mix = np.random.default_rng((self.config.seed, epoch, window)).permutation(len(bins))
            self._packed = (epoch, window), (chosen, [bins[i] for i in mix])
        return self._packed[1]

    def _identity(self) -> dict:
        config = self.config
        return {
            "shards": self.shards.fingerprint,
            "seq_len": config.seq_len,
            "window": config.window,
            "seed": config.seed,
            "eos_id": config.eos_id,
        }


def _pieces(lengths: np.ndarray, most: int) -> list[Piece]:
    """Documents in pieces of at most `most` tokens."""
    return [
        (document, start, min(start + most, int(length)))
        for document, length in enumerate(lengths)
        for start in range(0, int(length), most)
    ]
