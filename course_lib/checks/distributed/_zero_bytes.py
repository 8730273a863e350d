"""Predict: what a rank keeps and sends under ZeRO, against bytes that were counted."""

from collections.abc import Callable
from functools import partial
from random import Random

import torch
from torch import Tensor

from course_lib.checks.distributed.ranks import ThreadTransport, run_together
from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.values import close
from course_lib.distributed.collectives import (
    padded,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
)


def _cases(seed: int) -> list[Case]:
    random = Random(seed)
    ranks = random.sample(range(3, 8), 4)

    def whole(stage: int) -> tuple[int, int, int]:
        return ranks[stage] * random.randint(50, 300), ranks[stage], stage

    def uneven(stage: int) -> tuple[int, int, int]:
        p = random.randint(4, 6)
        return p * random.randint(20, 90) + random.randint(1, p - 2), p, stage

    return [
        Case("plain data parallelism", whole(0)),
        Case("stage 1", whole(1)),
        Case("stage 2", whole(2)),
        Case("stage 3", whole(3)),
        Case("stage 2, a number of weights that the ranks don't divide", uneven(2)),
        Case("stage 3, the same", uneven(3)),
        Case("plain, the same", uneven(0)),
        Case("one rank alone", (random.randint(100, 200), 1, 3), edge=True),
    ]


def _measured(n: int, ranks: int, stage: int, *, STATE_BYTES: int) -> tuple[int, int]:
    """A step's collectives on as many ranks: the bytes that a rank keeps, and those it sends."""

    def step(rank: int, transport: ThreadTransport) -> int:
        weights, gradient = (torch.zeros(n, dtype=torch.bfloat16) for _ in range(2))
        shard = padded(weights, ranks).chunk(ranks)[rank].clone()
        if stage == 0:
            ring_all_reduce(gradient, transport)
        if stage == 3:
            ring_all_gather(shard, transport)  # for the forward pass
            ring_all_gather(shard, transport)  # and again for the backward pass
        if stage >= 1:
            own = ring_reduce_scatter(padded(gradient, ranks), transport)
            gradient = own if stage >= 2 else gradient
        if stage in (1, 2):
            ring_all_gather(shard, transport)  # the weights that the optimizer has moved
        owned = shard if stage >= 1 else weights
        state = torch.zeros(len(owned) * STATE_BYTES, dtype=torch.uint8)
        return sum(map(_bytes, (shard if stage == 3 else weights, gradient, state)))

    kept, transports = run_together(step, range(ranks))
    return kept[0], transports[0].sent_bytes


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _formula(
    n: int,
    ranks: int,
    stage: int,
    *,
    STATE_BYTES: int,
    shard: Callable = lambda n, p: -(-n // p),
    sharded_from: tuple[int, int, int] = (3, 2, 1),
    each: int = 2,
    chunks: Callable = lambda stage, p: (3 if stage == 3 else 2) * (p - 1),
) -> tuple[float | int, float | int]:
    """The prediction with one thing to get wrong at a time.

    sharded_from: the stage from which weights, gradients and state are cut. chunks: how many a rank
    sends. each: bytes of a number that travels.
    """
    part = shard(n, ranks)
    sizes = (2, 2, STATE_BYTES)
    kept = sum(
        b * (part if stage >= first else n) for b, first in zip(sizes, sharded_from, strict=True)
    )
    return kept, chunks(stage, ranks) * part * each


def _changed(**change) -> Callable:
    def wrong(n: int, ranks: int, stage: int, *, STATE_BYTES: int) -> tuple:
        return _formula(n, ranks, stage, STATE_BYTES=STATE_BYTES, **change)

    return wrong


_MISTAKES = {
    "You have the same traffic in every stage. Stage 3 keeps no whole weights, so it gathers them "
    "twice, forward and backward, and scatters gradients: 3 (p - 1) chunks, not 2 (p - 1).": (
        _changed(chunks=lambda stage, p: 2 * (p - 1))
    ),
    "You have stages 1 and 2 send more than plain data parallelism. An all-reduce *is* a "
    "reduce-scatter and an all-gather: they put the optimizer's step between the two, and send the "
    "same.": _changed(chunks=lambda stage, p: (2, 3, 3, 3)[stage] * (p - 1)),
    "You count one round of the ring: p - 1 chunks. Summing takes p - 1, handing the sums round "
    "another p - 1.": _changed(chunks=lambda stage, p: (2 if stage == 3 else 1) * (p - 1)),
    "You count whole vectors, or all ranks together. In a ring a rank's message is one chunk, a "
    "p-th of the vector.": (
        _changed(chunks=lambda stage, p: (3 if stage == 3 else 2) * (p - 1) * p)
    ),
    "You count p messages a round of the ring; there are p - 1: nobody sends to itself.": _changed(
        chunks=lambda stage, p: (3 if stage == 3 else 2) * p
    ),
    "You send 4 bytes a number. Gradients and weights travel in bf16: 2.": _changed(each=4),
    "You forgot the padding: the parts are equal, so a rank's part is n / p rounded up.": _changed(
        shard=lambda n, p: n / p
    ),
    "You rounded n / p down. The parts must cover all of it: round up.": _changed(
        shard=lambda n, p: n // p
    ),
    "Your stage 1 cuts the gradients too. It cuts the optimizer's state alone; stage 2 adds the "
    "gradients, stage 3 the weights.": _changed(sharded_from=(3, 1, 1)),
    "Your stages are one too late: stage 1 already cuts the optimizer's state, 2 the gradients, 3 "
    "the weights.": _changed(sharded_from=(4, 3, 2)),
    "Your stages cut in another order. The largest part comes first: state in stage 1, gradients "
    "in 2, weights in 3.": _changed(sharded_from=(1, 2, 3)),
    "You left the optimizer's state out: it is the largest part, STATE_BYTES a weight.": (
        lambda n, ranks, stage, *, STATE_BYTES: _formula(n, ranks, stage, STATE_BYTES=0)
    ),
    "You returned (sent, kept): the order asked for is (kept, sent).": (
        lambda n, ranks, stage, *, STATE_BYTES: _formula(n, ranks, stage, STATE_BYTES=STATE_BYTES)[
            ::-1
        ]
    ),
}

zero_bytes = Exercise(
    name="distributed/zero_bytes",
    title="What a rank keeps, and what it sends",
    answer="my_bytes",
    kind="predict",
    minutes=20,
    points=8,
    cases=_cases,
    reference=_measured,
    mistakes=_MISTAKES,
    compare=partial(close, rtol=1e-9),
    constants={"STATE_BYTES": (12, 8, 6)},
)
