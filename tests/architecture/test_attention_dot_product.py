"""Masks, attention written out and through the kernel, and the cache."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from course_lib.architecture.attention.dot_product import (
    GrowingCache,
    attention_weights,
    kernel_mask,
    plain_attention,
)
from course_lib.architecture.attention.masks import causal_mask, document_mask


def test_causal_mask_by_hand():
    assert causal_mask(3).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert causal_mask(2, 4).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert causal_mask(3, window=2).int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_document_mask_by_hand():
    got = document_mask(torch.tensor([[1, 1, 2]]))[0]
    assert got.int().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


@given(n=st.integers(1, 12), extra=st.integers(0, 5), window=st.none() | st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_every_query_sees_itself_and_no_more_than_the_window(n, extra, window):
    mask = causal_mask(n, n + extra, window)
    assert mask.diagonal(extra).all()
    assert mask.sum(1).max() <= (window or n + extra)


def test_attention_by_hand():
    """Two equal keys share the weight; the mixed value is their mean; the future has none."""
    q = torch.ones(1, 1, 3, 2)
    k = torch.ones(1, 1, 3, 2)
    v = torch.tensor([[[[1.0, 0.0], [3.0, 0.0], [100.0, 100.0]]]])
    got = plain_attention(q, k, v, causal_mask(3))
    torch.testing.assert_close(got[0, 0, :2], torch.tensor([[1.0, 0.0], [2.0, 0.0]]))


@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
def test_the_kernel_equals_the_equation(n_kv_heads):
    q = torch.randn(2, 4, 5, 8)
    k, v = torch.randn(2, 2, n_kv_heads, 9, 8)
    seen = causal_mask(5, 9, 4).expand(2, 5, 9)
    added = torch.randn(2, 4, 5, 9)  # as ALiBi adds one for each head
    for mask in (None, seen, added):
        kernel = F.scaled_dot_product_attention(
            q, k, v, attn_mask=kernel_mask(mask, q.dtype), enable_gqa=True
        )
        wanted = plain_attention(q, k, v, mask)
        torch.testing.assert_close(kernel, wanted, atol=1e-6, rtol=1e-5)
    assert kernel_mask(added, torch.bfloat16).dtype == torch.bfloat16


def test_grouped_heads_equal_repeated_ones():
    q, k = torch.randn(1, 4, 5, 8), torch.randn(1, 2, 5, 8)
    grouped = attention_weights(q, k, causal_mask(5))
    repeated = attention_weights(q, k.repeat_interleave(2, dim=1), causal_mask(5))
    torch.testing.assert_close(grouped, repeated, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(grouped.sum(-1), torch.ones(1, 4, 5))


def test_the_cache_returns_everything_in_order_and_grows():
    cache = GrowingCache(capacity=2)
    k = torch.arange(14.0).view(1, 1, 7, 2)
    for start, stop in ((0, 1), (1, 2), (2, 5), (5, 7)):
        for layer in (0, 1):
            keys, values = cache.update(layer, k[:, :, start:stop], -k[:, :, start:stop])
        assert torch.equal(keys, k[:, :, :stop])
        assert torch.equal(values, -k[:, :, :stop])
        assert cache.length == stop


def test_the_cache_keeps_chosen_rows():
    cache = GrowingCache()
    k = torch.randn(3, 1, 2, 4)
    cache.update(0, k, k)
    cache.keep(torch.tensor([2, 0]))
    keys, _ = cache.update(0, k[:2], k[:2])
    assert torch.equal(keys[:, :, :2], k[[2, 0]])
