"""The ring all-reduce. The learner's ranks run as threads."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.distributed.ranks import ThreadTransport, run_together
from course_lib.checks.exercise import Case, Exercise
from course_lib.distributed.collectives import (
    naive_all_reduce,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
)

SIZES = (  # ranks, numbers in a chunk
    ("two ranks", 2, 3),
    ("three ranks", 3, 2),
    ("four ranks", 4, 5),
    ("five ranks, chunks of one number", 5, 1),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def vectors(ranks: int, each: int) -> tuple[list[Tensor]]:
        return ([torch.randn(ranks * each, generator=generator) for _ in range(ranks)],)

    cases = [Case(what, vectors(*sizes)) for what, *sizes in SIZES]
    return [*cases, Case("one rank alone", vectors(1, 4), edge=True)]


def on_threads(answer: Callable) -> Callable:
    """``answer`` on one thread a rank: every rank's result, and the bytes that each rank sent."""

    def run(vectors: list[Tensor]) -> tuple[list[Tensor], list[int]]:
        results, transports = run_together(answer, vectors)
        return results, [transport.sent_bytes for transport in transports]

    return run


def _only_first_half(flat: Tensor, transport: ThreadTransport) -> Tensor:
    """After the reduce-scatter alone: own chunk summed, the others as they then are."""
    chunks = list(flat.clone().view(transport.size, -1))
    chunks[transport.rank].copy_(ring_reduce_scatter(flat, transport))
    return torch.cat(chunks)


def _whole_vectors(flat: Tensor, transport: ThreadTransport) -> Tensor:
    """Right, but every round carries the whole vector: p - 1 vectors a rank."""
    total, passing, inbox = flat.clone(), flat.clone(), torch.empty_like(flat)
    right, left = (transport.rank + 1) % transport.size, (transport.rank - 1) % transport.size
    for _ in range(transport.size - 1):
        transport.exchange(passing, right, inbox, left)
        total += inbox
        passing = inbox.clone()
    return total


def _first_half(
    flat: Tensor, transport: ThreadTransport, rounds: int, add: bool = True
) -> list[Tensor]:
    """The chunks after so many rounds of passing on and adding (or overwriting)."""
    chunks = list(flat.clone().view(transport.size, -1))
    inbox = torch.empty_like(chunks[0])
    right, left = (transport.rank + 1) % transport.size, (transport.rank - 1) % transport.size
    for s in range(rounds):
        outgoing = (transport.rank - s - 1) % transport.size
        transport.exchange(chunks[outgoing], right, inbox, left)
        into = chunks[(outgoing - 1) % transport.size]
        into.copy_(into + inbox if add else inbox)
    return chunks


def _one_round_too_many(flat: Tensor, transport: ThreadTransport) -> Tensor:
    """p rounds of adding: the chunk that is handed round has met its first addend twice."""
    chunks = _first_half(flat, transport, transport.size)
    gathered = ring_all_gather(chunks[(transport.rank - 1) % transport.size].clone(), transport)
    return gathered.view(transport.size, -1).roll(-1, 0).flatten()  # rank r has handed round r - 1


def _one_round_for_nothing(flat: Tensor, transport: ThreadTransport) -> Tensor:
    """p rounds of adding; what is handed round was finished a round before."""
    chunks = _first_half(flat, transport, transport.size)
    return ring_all_gather(chunks[transport.rank].clone(), transport)


def _replaced(flat: Tensor, transport: ThreadTransport) -> Tensor:
    """Copies what arrives instead of adding it: chunks travel, nothing is summed."""
    chunks = _first_half(flat, transport, transport.size - 1, add=False)
    return ring_all_gather(chunks[transport.rank].clone(), transport)


_MISTAKES = {
    "You divided by the number of ranks. All-reduce is the sum; averaging is up to the "
    "caller.": lambda flat, transport: ring_all_reduce(flat, transport) / transport.size,
    "You stopped after the first half. Each rank now holds one finished chunk: the second half, "
    "the all-gather, hands the finished chunks round.": _only_first_half,
    "You stopped after the first half, and returned the chunks as they then were: one is finished, "
    "the others hold sums of some ranks.": lambda flat, transport: torch.cat(
        _first_half(flat, transport, transport.size - 1)
    ),
    "You returned your own chunk alone. Every rank must return the whole vector, so gather the "
    "chunks.": ring_reduce_scatter,
    "The sum is right, the traffic isn't: you send whole vectors, p - 1 of them. Send one chunk "
    "of n/p numbers a round, and it is 2(p - 1)/p of a vector.": _whole_vectors,
    "The sum is right, the traffic isn't: everything goes through rank 0, which sends p - 1 whole "
    "vectors while the others wait.": naive_all_reduce,
    "Your reduce loop has p rounds. After p - 1 every chunk has met every rank; one more round "
    "adds an addend twice.": _one_round_too_many,
    "The sum is right, the traffic isn't: your reduce loop has p rounds, and sends one chunk for "
    "nothing. After p - 1 every chunk has met every rank.": _one_round_for_nothing,
    "In the first half you overwrite your chunk with what arrives. Add it.": _replaced,
}

ring = Exercise(
    name="distributed/ring_all_reduce",
    title="The ring all-reduce",
    answer="my_all_reduce",
    kind="build",
    minutes=45,
    points=15,
    cases=_cases,
    reference=ring_all_reduce,
    mistakes=_MISTAKES,
    harness=on_threads,
)
