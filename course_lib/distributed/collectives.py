"""Collective operations out of single messages, with every byte counted.

A *collective* is something all ranks do together: sum a vector over the ranks, hand out shards,
gather them. Libraries ship them whole; here they are built from ``send`` and ``receive`` alone, in
a ring: rank r only ever sends to r + 1 and receives from r - 1. Source of the ring all-reduce:
Patarasuk & Yuan 2009.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor


@dataclass
class Transport:
    """One rank's end of a point-to-point transport: sends, receives, and counts what it sent.

    ``rank`` and ``size`` are those of the process group. Sums are taken in the tensors' own dtype.
    """

    rank: int
    size: int
    sent_bytes: int = 0
    messages: int = 0

    @classmethod
    def of_group(cls) -> "Transport":
        """The transport of the default process group, which must be initialised."""
        return cls(rank=dist.get_rank(), size=dist.get_world_size())

    def exchange(self, out: Tensor, to: int, into: Tensor, source: int) -> None:
        """Send ``out`` to rank ``to`` while receiving from ``source`` into ``into``.

        Both at once: if every rank first sent and then received, a ring of full buffers would
        wait for itself for ever.
        """
        requests = [dist.isend(out, to), dist.irecv(into, source)]
        self._count(out)
        for request in requests:
            request.wait()

    def send(self, out: Tensor, to: int) -> None:
        """Send ``out`` and wait until it has left."""
        dist.send(out, to)
        self._count(out)

    def receive(self, into: Tensor, source: int) -> None:
        """Wait for a message from ``source``."""
        dist.recv(into, source)

    def _count(self, out: Tensor) -> None:
        self.sent_bytes += out.numel() * out.element_size()
        self.messages += 1


def padded(flat: Float[Tensor, " n"], size: int) -> Float[Tensor, " n_padded"]:
    """``flat`` with zeros at its end, so that ``size`` equal chunks cover it."""
    missing = -flat.numel() % size
    return torch.cat([flat, flat.new_zeros(missing)]) if missing else flat


def ring_reduce_scatter(
    flat: Float[Tensor, " n"], transport: Transport
) -> Float[Tensor, " n_over_size"]:
    """The sum over all ranks of chunk r, on rank r. Length must be a multiple of the ranks.

    p - 1 rounds. In round s, rank r passes chunk r - s - 1 on, and adds the chunk that arrives to
    its own copy. A chunk that has gone round has collected every rank's addend. Each rank sends
    (p - 1)/p of the vector.
    """
    rank, size = transport.rank, transport.size
    chunks = _chunks(flat.clone(), size)
    right, left = (rank + 1) % size, (rank - 1) % size
    inbox = torch.empty_like(chunks[0])
    for s in range(size - 1):
        outgoing = (rank - s - 1) % size
        transport.exchange(chunks[outgoing], right, inbox, left)
        chunks[(outgoing - 1) % size] += inbox
    return chunks[rank].clone()


def ring_all_gather(
    shard: Float[Tensor, " n"], transport: Transport
) -> Float[Tensor, " n_times_size"]:
    """All ranks' shards, in order of rank, on every rank: p - 1 rounds of passing on what came."""
    rank, size = transport.rank, transport.size
    full = shard.new_empty(size * shard.numel())
    chunks = _chunks(full, size)
    chunks[rank].copy_(shard)
    right, left = (rank + 1) % size, (rank - 1) % size
    for s in range(size - 1):
        outgoing = (rank - s) % size
        transport.exchange(chunks[outgoing], right, chunks[(outgoing - 1) % size], left)
    return full


def ring_all_reduce(flat: Float[Tensor, " n"], transport: Transport) -> Float[Tensor, " n"]:
    """The sum of ``flat`` over the ranks, on every rank: reduce-scatter, then all-gather.

    Each rank sends 2 (p - 1)/p of the vector, whatever the number of ranks: under two vectors.
    Every rank gets the same bits, since each chunk is summed on one rank and then copied.
    """
    shard = ring_reduce_scatter(padded(flat, transport.size), transport)
    return ring_all_gather(shard, transport)[: flat.numel()]


def naive_all_reduce(flat: Float[Tensor, " n"], transport: Transport) -> Float[Tensor, " n"]:
    """The same sum by way of rank 0, which receives p - 1 vectors and sends p - 1 back.

    The right answer, and a queue: rank 0 moves 2 (p - 1) vectors while the others wait.
    """
    total = flat.clone()
    if transport.rank:
        transport.send(flat, 0)
        transport.receive(total, 0)
        return total
    inbox = torch.empty_like(flat)
    for source in range(1, transport.size):
        transport.receive(inbox, source)
        total += inbox
    for to in range(1, transport.size):
        transport.send(total, to)
    return total


def broadcast(flat: Shaped[Tensor, " n"], transport: Transport) -> Shaped[Tensor, " n"]:
    """Rank 0's vector on every rank, handed along the chain 0 → 1 → … → p - 1."""
    received = flat.clone()
    if transport.rank:
        transport.receive(received, transport.rank - 1)
    if transport.rank < transport.size - 1:
        transport.send(received, transport.rank + 1)
    return received


def all_reduce_bytes(n_bytes: int, size: int) -> float:
    """Bytes each rank sends in a ring all-reduce of ``n_bytes``: 2 (p - 1)/p n."""
    if size < 1 or n_bytes < 0:
        raise ValueError(f"n_bytes={n_bytes}, size={size}: expected ≥ 0 bytes and ≥ 1 ranks")
    return 2 * (size - 1) / size * n_bytes


def _chunks(flat: Tensor, size: int) -> list[Tensor]:
    if flat.numel() % size:
        raise ValueError(
            f"{flat.numel()} numbers don't split into {size} equal chunks: use padded() first"
        )
    return list(flat.view(size, -1))
