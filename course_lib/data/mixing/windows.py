"""Random windows of a corpus as one endless stream: how nanoGPT makes its batches.

Nothing is packed and nothing padded. A window begins anywhere, mostly in the middle of a document,
and its tokens are not asked whether the next one belongs to the same document. An epoch has no
meaning here: by chance a token is read twice before another is read once.
"""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.mixing.shards import Shards


@runtime_checkable
class Stream(Protocol):
    """Token ids in a row: a tensor in memory, or a `TokenStream` on disk."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, part: slice) -> Tensor:
        """Some of them."""


class TokenStream:
    """The documents of shards as one stream, `<|eos|>` before each and one at the very end."""

    def __init__(self, shards: Shards):
        self.shards = shards
        self.starts = np.append(0, np.cumsum(shards.lengths + 1))  # places of the `<|eos|>`

    def __len__(self) -> int:
        return int(self.starts[-1]) + 1

    def __getitem__(self, part: slice) -> Int[Tensor, "tokens"]:
        first, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"{part}: a stream is read token after token, with a step of 1")
        document = int(np.searchsorted(self.starts, first, side="right")) - 1
        begin, pieces = int(self.starts[document]), []
        while document < len(self.shards) and self.starts[document] < stop:
            pieces += [[self.shards.eos_id], self.shards[document]]
            document += 1
        line = np.concatenate([*pieces, [self.shards.eos_id]]).astype(np.int64)
        return torch.from_numpy(line[first - begin : stop - begin])


def random_windows(
    stream: Stream | Tensor,
    step: int,
    *,
    seq_len: int,
    batch_size: int,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]:
    """This rank's share of the batch of a step, from (seed, step) alone.

    `batch_size` windows of `seq_len` tokens, drawn anywhere; the targets stand one place further.
    Every rank draws all the starts and takes each `world_size`-th, so a run may resume on any
    number of ranks. Source: nanoGPT's `get_batch`, with a generator of its own for every step.
    """
    if min(seq_len, batch_size) < 1 or step < 0:
        raise ValueError(
            f"seq_len={seq_len}, batch_size={batch_size}, step={step}: expected at least 1, 1 and 0"
        )
    if not 0 <= rank < world_size or batch_size % world_size:
        raise ValueError(
            f"rank={rank} of world_size={world_size} and batch_size={batch_size}: expected a rank "
            "below the number of ranks, which must divide the batch"
        )
    if len(stream) <= seq_len:
        raise ValueError(f"the stream has {len(stream)} tokens: a window takes {seq_len + 1}")
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    starts = torch.randint(len(stream) - seq_len, (batch_size,), generator=generator).tolist()
    rows = torch.stack([stream[s : s + seq_len + 1] for s in starts[rank::world_size]])
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
