"""Tiled attention: by hand, exact at odd sizes both ways, tiles skipped, traffic counted."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.accounting.peak_memory import PeakMemory
from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.flash.tiled import (
    Tiling,
    Traffic,
    flash_attention,
    flash_forward,
    online_softmax_step,
)
from course_lib.architecture.flash.traffic import (
    block_for,
    flash_traffic,
    flash_traffic_limit,
    standard_forward,
    standard_traffic,
)


def inputs(n_heads, n_kv_heads, queries, keys, d_head, dtype=torch.float64, batch=2):
    def normal(*shape):
        return torch.randn(*shape, dtype=dtype).mul_(2).requires_grad_()

    return (
        normal(batch, n_heads, queries, d_head),
        normal(batch, n_kv_heads, keys, d_head),
        normal(batch, n_kv_heads, keys, d_head),
    )


def test_online_softmax_by_hand():
    """Scores 0, log 2 in one tile, log 5 in the next: weights 1, 2, 5 of 8, values 8, 16, 24."""
    state = torch.tensor([[-torch.inf]]), torch.zeros(1, 1), torch.zeros(1, 1)
    scores = torch.tensor([[0.0, math.log(2), math.log(5)]])
    values = torch.tensor([[8.0], [16.0], [24.0]])
    state = online_softmax_step(scores[:, :2], values[:2], *state)
    assert state[0].item() == pytest.approx(math.log(2))
    assert state[1].item() == pytest.approx(1.5)  # 1/2 + 1, in units of the largest
    largest, total, mixed = online_softmax_step(scores[:, 2:], values[2:], *state)
    assert largest.item() == pytest.approx(math.log(5))
    assert (total * largest.exp()).item() == pytest.approx(8)
    assert (mixed / total).item() == pytest.approx((8 + 32 + 120) / 8)


@given(
    kv=st.integers(1, 3),
    group=st.integers(1, 3),
    queries=st.integers(1, 40),
    past=st.integers(0, 17),
    d_head=st.sampled_from([1, 3, 8]),
    causal=st.booleans(),
    block_q=st.integers(1, 45),
    block_k=st.integers(1, 45),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_exact_in_both_directions(kv, group, queries, past, d_head, causal, block_q, block_k, seed):
    torch.manual_seed(seed)
    qkv = inputs(kv * group, kv, queries, queries + past, d_head)
    mask = causal_mask(queries, queries + past) if causal else None
    grad = torch.randn_like(qkv[0])
    want = plain_attention(*qkv, mask)
    got = flash_attention(*qkv, causal=causal, block_q=block_q, block_k=block_k)
    assert want.abs().max() > 1e-3
    torch.testing.assert_close(got, want, atol=1e-11, rtol=0)
    pairs = zip(*(torch.autograd.grad(out, qkv, grad) for out in (got, want)), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, atol=1e-10, rtol=0)


def test_gradients_by_finite_differences():
    qkv = inputs(2, 1, 5, 5, 2, batch=1)
    assert torch.autograd.gradcheck(
        lambda q, k, v: flash_attention(q, k, v, causal=True, block_q=2, block_k=3), qkv
    )


def test_scores_too_large_for_exp_are_no_trouble():
    q, k, v = inputs(1, 1, 9, 9, 4, torch.float32)
    big = 300 * q  # exp(score) overflows float32 near 89
    out = flash_attention(big, k, v, causal=True, block_q=4, block_k=2)
    torch.testing.assert_close(out, plain_attention(big, k, v, causal_mask(9)))
    assert out.isfinite().all()


def test_only_first_derivatives():
    qkv = inputs(1, 1, 3, 3, 2)
    (grad,) = torch.autograd.grad(flash_attention(*qkv).square().sum(), qkv[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_causal_skips_what_lies_in_the_future():
    def tiles(causal, keys=8):
        tiling = Tiling(n_queries=8, n_keys=keys, block_q=2, block_k=2, causal=causal)
        forward = [(i.start, j.start) for i in tiling.query_blocks() for j in tiling.key_blocks(i)]
        columns = [slice(j, j + 2) for j in range(0, keys, 2)]
        backward = [(i.start, j.start) for j in columns for i in tiling.query_blocks(j)]
        assert sorted(forward) == sorted(backward)
        return len(forward)

    assert tiles(False) == 16
    assert tiles(True) == 1 + 2 + 3 + 4
    assert tiles(True, keys=10) == 2 + 3 + 4 + 5  # two keys from the past: one block more a row


@given(
    n=st.integers(1, 30),
    d_head=st.integers(1, 6),
    block_q=st.integers(1, 33),
    block_k=st.integers(1, 33),
)
@settings(max_examples=40, deadline=None)
def test_the_counted_traffic_is_the_formula(n, d_head, block_q, block_k):
    q, k, v = torch.randn(3, 1, 1, n, d_head).unbind(0)
    flash, standard = Traffic(), Traffic()
    tiling = Tiling(n_queries=n, n_keys=n, block_q=block_q, block_k=block_k, causal=False)
    out, _ = flash_forward(q.unsqueeze(2), k.unsqueeze(2), v.unsqueeze(2), tiling, flash)
    torch.testing.assert_close(
        standard_forward(q, k, v, standard), out.squeeze(2), atol=1e-6, rtol=1e-5
    )
    assert flash.total == flash_traffic(n, d_head, block_q)
    assert standard.total == standard_traffic(n, d_head)


def test_the_largest_block_fits_and_the_limit_is_reached():
    for fast in (300, 10_000, 100_000):
        block = block_for(fast, 64)
        assert 4 * block * 64 + block**2 <= fast < 4 * (block + 1) * 64 + (block + 1) ** 2
    n, d_head, fast = 2**24, 2**12, 2**18  # M << d^2, n >> B
    count = flash_traffic(n, d_head, block_for(fast, d_head))
    assert count == pytest.approx(flash_traffic_limit(n, d_head, fast), rel=0.08)
    with pytest.raises(ValueError, match="fast is 256 numbers, expected at least 257"):
        block_for(256, 64)


def test_memory_grows_with_the_tokens_and_not_with_their_square():
    def peak(attend, n):
        qkv = inputs(1, 1, n, n, 16, torch.float32, batch=1)
        with PeakMemory() as memory:
            attend(*qkv).sum().backward()
        return memory.peak

    def plain(q, k, v):
        return plain_attention(q, k, v, causal_mask(q.shape[2]))

    def flash(q, k, v):
        return flash_attention(q, k, v, causal=True, block_q=32, block_k=32)

    few, many = 256, 512
    assert 3.5 < peak(plain, many) / peak(plain, few) < 4.2
    assert 1.5 < peak(flash, many) / peak(flash, few) < 2.05
    assert peak(flash, many) < peak(plain, many) / 8


def test_messages_of_sizes():
    q, k, v = inputs(2, 1, 5, 4, 2)
    with pytest.raises(ValueError, match="block_q is 0 and block_k is 64, expected at least 1"):
        flash_attention(q, k, v, block_q=0)
    with pytest.raises(ValueError, match="causal attention of 5 queries to 4 keys"):
        flash_attention(q, k, v, causal=True)
