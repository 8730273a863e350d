"""Instant checks of the distributed chapter. The learner's ranks run as threads."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks._report import CheckReport, run_check
from course_lib.distributed.collectives import (
    Wire,
    naive_all_reduce,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
)
from course_lib.distributed.local import run_ranks

AllReduce = Callable[[Tensor, Wire], Tensor]


def on_threads(fn: AllReduce) -> Callable[[list[Tensor]], tuple[Tensor, list[int]]]:
    """``fn`` on one thread a rank: every rank's result, and the bytes each rank sent."""

    def run(vectors: list[Tensor]) -> tuple[Tensor, list[int]]:
        results, wires = run_ranks(fn, vectors, patience=2.0)
        return torch.stack(results), [wire.sent_bytes for wire in wires]

    return run


def _average(flat: Tensor, wire: Wire) -> Tensor:
    return ring_all_reduce(flat, wire) / wire.size


def _only_first_half(flat: Tensor, wire: Wire) -> Tensor:
    """After the reduce-scatter alone: own chunk summed, the others as they then are."""
    chunks = list(flat.clone().view(wire.size, -1))
    chunks[wire.rank].copy_(ring_reduce_scatter(flat, wire))
    return torch.cat(chunks)


def _own_chunk_only(flat: Tensor, wire: Wire) -> Tensor:
    return ring_reduce_scatter(flat, wire)


def _whole_vectors(flat: Tensor, wire: Wire) -> Tensor:
    """Right, but every round carries the whole vector: p - 1 vectors a rank."""
    total, passing, inbox = flat.clone(), flat.clone(), torch.empty_like(flat)
    for _ in range(wire.size - 1):
        wire.exchange(passing, (wire.rank + 1) % wire.size, inbox, (wire.rank - 1) % wire.size)
        total += inbox
        passing = inbox.clone()
    return total


def _one_round_too_many(flat: Tensor, wire: Wire) -> Tensor:
    """p rounds of adding: each chunk meets its first addend a second time."""
    chunks = list(flat.clone().view(wire.size, -1))
    inbox = torch.empty_like(chunks[0])
    for s in range(wire.size):
        outgoing = (wire.rank - s - 1) % wire.size
        wire.exchange(
            chunks[outgoing], (wire.rank + 1) % wire.size, inbox, (wire.rank - 1) % wire.size
        )
        chunks[(outgoing - 1) % wire.size] += inbox
    return ring_all_gather(chunks[(wire.rank - 1) % wire.size].clone(), wire)


def _replaced(flat: Tensor, wire: Wire) -> Tensor:
    """Copies what arrives instead of adding it: chunks travel, nothing is summed."""
    chunks = list(flat.clone().view(wire.size, -1))
    for s in range(wire.size - 1):
        outgoing = (wire.rank - s - 1) % wire.size
        into = chunks[(outgoing - 1) % wire.size]
        wire.exchange(
            chunks[outgoing], (wire.rank + 1) % wire.size, into, (wire.rank - 1) % wire.size
        )
    return ring_all_gather(chunks[wire.rank].clone(), wire)


MISTAKES = {
    "You divided by the number of ranks. All-reduce is the sum; averaging is up to the "
    "caller.": _average,
    "You stopped after the first half. Each rank now holds one finished chunk: the second half, "
    "the all-gather, hands the finished chunks round.": _only_first_half,
    "You returned your own chunk alone. Every rank must return the whole vector, so gather the "
    "chunks.": _own_chunk_only,
    "The sum is right, the traffic isn't: you send whole vectors, p - 1 of them. Send one chunk "
    "of n/p numbers a round, and it is 2(p - 1)/p of a vector.": _whole_vectors,
    "The sum is right, the traffic isn't: everything goes through rank 0, which sends p - 1 whole "
    "vectors while the others wait.": naive_all_reduce,
    "Your reduce loop has p rounds. After p - 1 every chunk has met every rank; one more round "
    "adds an addend twice.": _one_round_too_many,
    "In the first half you overwrite your chunk with what arrives. Add it.": _replaced,
}


NAMED = {sentence: on_threads(wrong) for sentence, wrong in MISTAKES.items()}


def ring(fn: AllReduce) -> CheckReport:
    """Check a function of (flat, wire) that sums ``flat`` over the ranks by a ring."""
    generator = torch.Generator().manual_seed(0)
    cases = [
        ([torch.randn(ranks * each, generator=generator) for _ in range(ranks)],)
        for ranks, each in ((2, 3), (3, 2), (4, 5))
    ]
    return run_check(
        "the ring all-reduce", on_threads(fn), cases, on_threads(ring_all_reduce), NAMED
    )
