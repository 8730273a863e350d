"""Whole documents into rows of equal length, and batches as a function of the step.

A row holds one or more documents, each behind an `<|eos|>`:

    inputs   <eos> a1 a2 a3 <eos> b1 b2 <eos> <eos>
    targets   a1   a2 a3 <eos> b1 b2 <eos> -100 -100

so the model sees a beginning, learns where a document ends, and never has to guess the first
token of b from a. `(inputs == eos_id).cumsum(1)` numbers the documents, padding included.

Best-fit decreasing: Ding et al. 2024, "Fewer Truncations Improve Language Modeling", section 3.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import CrossEntropyLoss

from course_lib.data.mixing.shards import Encoder

IGNORE = CrossEntropyLoss().ignore_index  # torch's number, -100, for a target that isn't asked for


@dataclass(frozen=True)
class Packed:
    """Rows in memory. `packed[:8]` and `packed[places]` are some of them, again as `Packed`."""

    inputs: Int[Tensor, "rows seq"]
    targets: Int[Tensor, "rows seq"]

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, places: slice | Int[Tensor, "chosen"]) -> "Packed":
        return Packed(self.inputs[places], self.targets[places])

    @property
    def tokens(self) -> int:
        """Targets that count in the loss."""
        return int((self.targets != IGNORE).sum())

    @property
    def efficiency(self) -> float:
        """Share of the positions that train the model; the rest is padding."""
        return self.tokens / max(1, self.targets.numel())


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Group indices of `lengths` into bins of at most `capacity`; best-fit decreasing.

    The longest go first, each into the bin that it leaves with the least room. Never more
    than 11/9 of the fewest possible bins, plus a constant (Johnson et al. 1974).
    """
    bins: list[list[int]] = []
    open_bins: list[list[int]] = [[] for _ in range(capacity + 1)]  # by the room that is left
    rooms = 0  # bit r is set where a bin with room r is open: the best fit in one shift
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        if not 0 < length <= capacity:
            raise ValueError(f"item {index} has length {length}; a bin takes 1 to {capacity}")
        fits = rooms >> length
        if fits:
            room = length + (fits & -fits).bit_length() - 1
            chosen = open_bins[room].pop()
            if not open_bins[room]:
                rooms ^= 1 << room
        else:
            room, chosen = capacity, len(bins)
            bins.append([])
        bins[chosen].append(index)
        left = room - length
        open_bins[left].append(chosen)
        rooms |= (1 << left) & ~1  # a full bin is closed
    return bins


def pack(docs: Sequence[Sequence[int]], seq_len: int, eos_id: int) -> Packed:
    """Documents (token ids without `eos`) to rows; no document is split or cut.

    Raises ValueError for one that is too long for a row, and for what is no whole number from 0.
    """
    longest = max((len(doc) for doc in docs), default=0)
    if longest >= seq_len:
        raise ValueError(
            f"a document has {longest} tokens and its <|eos|> needs one more, but a "
            f"row holds {seq_len}: raise seq_len, or cut it with `chunks` first"
        )
    rows = best_fit([len(doc) + 1 for doc in docs], seq_len)
    inputs = torch.full((len(rows), seq_len), eos_id, dtype=torch.long)
    targets = torch.full((len(rows), seq_len), IGNORE, dtype=torch.long)
    for row, members in enumerate(rows):
        stream = [eos_id]
        for member in members:
            stream += [*docs[member], eos_id]
        line = torch.tensor(stream)
        if line.is_floating_point() or line.min() < 0:
            raise ValueError(f"a row has {line.dtype} from {line.min()}: expected ids from 0")
        inputs[row, : len(line) - 1], targets[row, : len(line) - 1] = line[:-1], line[1:]
    return Packed(inputs, targets)


def pack_texts(texts: Iterable[str], tokenizer: Encoder, seq_len: int) -> Packed:
    """Texts to packed rows; one that is too long for a row is cut into `chunks`."""
    encoded = tokenizer.encode_batch(list(texts))
    pieces = [piece for ids in encoded for piece in chunks(ids, seq_len - 1)]
    return pack(pieces, seq_len, tokenizer.eos_id)


def chunks(ids: Sequence[int], most: int) -> list[list[int]]:
    """Cut a document that is too long into pieces of at most `most` tokens."""
    if most < 1:
        raise ValueError(
            f"pieces of {most} tokens: expected at least 1 (a row takes one <|eos|> too)"
        )
    return [list(ids[start : start + most]) for start in range(0, len(ids), most)]


def batch(
    packed: Packed, step: int, batch_size: int, seed: int | None = 0
) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]:
    """The batch of a step, from (seed, step) alone: a run that resumes needs no loader's state.

    Steps walk through an endless row of shuffled epochs, so that each row is seen once an epoch
    even where `batch_size` doesn't divide the number of rows. Without a seed (None) every epoch has
    the rows' own order. `loader.PackedLoader` gives the same batches from shards on disk. Raises
    ValueError where there are no rows, or none are asked for.
    """
    size, start = len(packed), step * batch_size
    if not size or batch_size < 1 or step < 0:
        raise ValueError(
            f"{size} rows, batch_size={batch_size}, step={step}: expected at least 1, 1 and 0"
        )
    first, last = start // size, (start + batch_size - 1) // size
    order = torch.cat([epoch_order(size, seed, epoch) for epoch in range(first, last + 1)])
    chosen = order[start - first * size :][:batch_size]
    return packed.inputs[chosen], packed.targets[chosen]


@lru_cache(maxsize=4)
def epoch_order(size: int, seed: int | None, epoch: int) -> Int[Tensor, "rows"]:
    """In which order an epoch reads its rows; without a seed, in their own. Only to read."""
    if seed is None:
        return torch.arange(size)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(size, generator=generator)
