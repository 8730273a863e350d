"""Collectives: by hand, as sums for any number of ranks, and by the bytes they send."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.distributed.collectives import (
    Transport,
    all_reduce_bytes,
    broadcast,
    naive_all_reduce,
    padded,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
)
from course_lib.distributed.local import RecvTimeout, run_ranks


def vectors(ranks: int, numbers: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(ranks * 1000 + numbers)
    return [torch.randn(numbers, generator=generator, dtype=torch.float64) for _ in range(ranks)]


def test_reduce_scatter_by_hand():
    ranks = [torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([10.0, 20.0, 30.0, 40.0])]
    shards, transports = run_ranks(ring_reduce_scatter, ranks)
    assert [shard.tolist() for shard in shards] == [[11.0, 22.0], [33.0, 44.0]]
    assert [(transport.sent_bytes, transport.messages) for transport in transports] == [
        (8, 1),
        (8, 1),
    ]


def test_all_gather_by_hand():
    full, _ = run_ranks(ring_all_gather, [torch.tensor([float(r)]) for r in range(3)])
    assert [f.tolist() for f in full] == [[0.0, 1.0, 2.0]] * 3


@settings(max_examples=15, deadline=None)
@given(ranks=st.integers(1, 6), numbers=st.integers(1, 40))
def test_all_reduce_is_the_sum_with_the_same_bits_everywhere(ranks, numbers):
    inputs = vectors(ranks, numbers)
    before = [v.clone() for v in inputs]
    results, transports = run_ranks(ring_all_reduce, inputs)
    torch.testing.assert_close(results[0], torch.stack(inputs).sum(0))
    assert all(torch.equal(results[0], other) for other in results)
    assert all(torch.equal(a, b) for a, b in zip(before, inputs, strict=True))
    length = padded(inputs[0], ranks).numel() * 8
    assert [w.sent_bytes for w in transports] == [all_reduce_bytes(length, ranks)] * ranks


def test_naive_gives_the_sum_too_but_rank_zero_carries_it():
    inputs = vectors(4, 12)
    results, transports = run_ranks(naive_all_reduce, inputs)
    for result in results:
        torch.testing.assert_close(result, torch.stack(inputs).sum(0))
    assert [w.sent_bytes for w in transports] == [3 * 96, 96, 96, 96]


def test_broadcast_gives_all_rank_zeros_numbers():
    inputs = vectors(3, 5)
    results, transports = run_ranks(broadcast, inputs)
    assert all(torch.equal(result, inputs[0]) for result in results)
    assert transports[-1].sent_bytes == 0


def test_a_rank_that_stays_away_is_named_not_waited_for():
    def late(x, transport):
        return ring_all_reduce(x, transport) if transport.rank else x

    with pytest.raises(RecvTimeout, match="waited 0.2 s for a message from rank"):
        run_ranks(late, vectors(3, 6), timeout=0.2)


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match="5 numbers don't split into 2"):
        ring_reduce_scatter(torch.ones(5), Transport(rank=0, size=2))
    with pytest.raises(ValueError, match="size=0"):
        all_reduce_bytes(8, 0)
