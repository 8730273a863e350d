"""Multi-head latent attention: by hand, expanded = absorbed, and with a cache."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.latent import (
    LatentAttention,
    absorbed_attention,
    expanded_attention,
    rope_rows_to_half_split,
)
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.ops import rope_tables


class Kept:
    """The simplest cache: what came, in a row."""

    length = 0

    def __init__(self) -> None:
        self.pairs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def update(self, layer, k, v):
        if layer in self.pairs:
            k, v = (torch.cat(two, dim=2) for two in zip(self.pairs[layer], (k, v), strict=True))
        self.pairs[layer] = k, v
        return k, v


def layer(q_rank=None, **sizes) -> LatentAttention:
    torch.manual_seed(0)
    given = {"kv_rank": 12, "d_nope": 6, "d_rope": 4, "d_value": 5, **sizes}
    return LatentAttention(20, 3, q_rank=q_rank, norm_eps=1e-6, layer=0, **given)


def parts(n_heads, q, k, rank, d_nope, d_rope, d_value):
    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64)

    return (
        normal(2, n_heads, q, d_nope),
        normal(2, n_heads, q, d_rope),
        normal(2, 1, k, rank),
        normal(2, 1, k, d_rope),
        normal(n_heads, d_nope + d_value, rank),
    )


def test_by_hand():
    """One head, rank 1. Keys 2c and values 3c: scores (2, 0) / sqrt(2), values (3, 0)."""
    q_nope, q_rope = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    latent = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1)
    k_rope, kv_up = torch.ones(1, 1, 2, 1), torch.tensor([2.0, 3.0]).view(1, 2, 1)
    weight = torch.tensor([2.0, 0.0]).div(2**0.5).softmax(0)[0]
    for attend in (expanded_attention, absorbed_attention):
        got = attend(q_nope, q_rope, latent, k_rope, kv_up)
        torch.testing.assert_close(got.flatten(), 3 * weight.view(1))


@given(
    n_heads=st.integers(1, 4),
    q=st.integers(1, 6),
    past=st.integers(0, 5),
    rank=st.integers(1, 9),
    d_nope=st.integers(1, 5),
    half=st.integers(1, 3),
    d_value=st.integers(1, 6),
)
@settings(max_examples=40, deadline=None)
def test_absorbing_changes_nothing(n_heads, q, past, rank, d_nope, half, d_value):
    given = parts(n_heads, q, q + past, rank, d_nope, 2 * half, d_value)
    mask = causal_mask(q, q + past)
    a, b = (attend(*given, mask) for attend in (expanded_attention, absorbed_attention))
    assert a.abs().max() > 1e-3
    torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


def test_expanded_is_ordinary_attention_on_the_keys_it_makes():
    q_nope, q_rope, latent, k_rope, kv_up = parts(3, 5, 5, 7, 4, 2, 6)
    k_nope = torch.einsum("bkr,hdr->bhkd", latent[:, 0], kv_up[:, :4])
    k = torch.cat((k_nope, k_rope.expand(2, 3, 5, 2)), -1)
    v = torch.einsum("bkr,hdr->bhkd", latent[:, 0], kv_up[:, 4:])  # 6 = 4 + 2: as wide as k
    want = plain_attention(torch.cat((q_nope, q_rope), -1), k, v, causal_mask(5))
    got = expanded_attention(q_nope, q_rope, latent, k_rope, kv_up, causal_mask(5))
    torch.testing.assert_close(got, want, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("q_rank", [None, 8])
@torch.no_grad()
def test_token_by_token_with_a_cache_equals_all_at_once(q_rank):
    attention, x = layer(q_rank), torch.randn(2, 9, 20)
    cos, sin = rope_tables(9, 4)
    whole = attention(x, cos, sin, causal_mask(9))
    cache = Kept()
    steps = [attention(x[:, :4], cos[:4], sin[:4], causal_mask(4), cache)]
    steps += [
        attention(x[:, i : i + 1], cos[i : i + 1], sin[i : i + 1], None, cache) for i in range(4, 9)
    ]
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=2e-6, rtol=1e-5)
    assert whole.std() > 0.01
    held = sum(t.numel() for t in cache.pairs[0])
    assert held == 2 * 9 * attention.cached_per_token == 2 * 9 * (12 + 4)


@torch.no_grad()
def test_both_ways_of_the_module_and_their_gradients_agree():
    attention, x = layer(8), torch.randn(2, 7, 20)
    cos, sin = rope_tables(7, 4)
    grads = []
    for absorb in (False, True):
        with torch.enable_grad():
            out = attention(x, cos, sin, causal_mask(7), absorb=absorb)
            grads.append([out, *torch.autograd.grad(out.square().sum(), attention.parameters())])
    for a, b in zip(*grads, strict=True):
        assert a.abs().max() > 1e-3
        torch.testing.assert_close(a, b, atol=3e-5, rtol=1e-4)


def test_half_split_rows_by_hand():
    weight = torch.arange(10.0).view(10, 1)  # two heads of one plain and four turned rows
    got = rope_rows_to_half_split(weight, 2, 4).flatten().tolist()
    assert got == [0, 1, 3, 2, 4, 5, 6, 8, 7, 9]


def test_messages():
    with pytest.raises(ValueError, match="d_rope is 3, expected an even number"):
        layer(d_rope=3)
    with pytest.raises(ValueError, match="kv_rank is 0, expected at least 1"):
        layer(kv_rank=0)
    with pytest.raises(ValueError, match="q_rank is 0, expected None or at least 1"):
        layer(q_rank=0)
    cos, sin = rope_tables(3, 4)
    with pytest.raises(ValueError, match=r"x has shape \(1, 3, 19\), expected \(batch, seq, 20\)"):
        layer()(torch.zeros(1, 3, 19), cos, sin, None)
    with pytest.raises(ValueError, match=r"cos has shape \(3, 4\), expected a last axis of 2"):
        layer()(torch.zeros(1, 3, 20), *rope_tables(3, 8), None)
    q_nope, q_rope, latent, k_rope, kv_up = parts(1, 2, 2, 3, 4, 2, 2)
    with pytest.raises(ValueError, match=r"kv_up has shape \(1, 4, 3\), expected"):
        absorbed_attention(q_nope, q_rope, latent, k_rope, kv_up[:, :4])
