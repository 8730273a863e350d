"""Padding and stream masks, and the softmax that survives an empty row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.attention.masks import (
    causal_mask,
    padding_mask,
    safe_softmax,
    stream_mask,
)
from course_lib.architecture.ops import softmax


def test_padding_mask_by_hand():
    lengths = torch.tensor([2, 3, 0])
    got = padding_mask(lengths, 3).int().tolist()
    assert got == [[[1, 1, 0]], [[1, 1, 1]], [[0, 0, 0]]]
    assert padding_mask(lengths, 3, left=True).int().tolist()[0] == [[0, 1, 1]]
    with pytest.raises(ValueError, match="lengths go from 2 to 4, expected 0 to seq = 3"):
        padding_mask(torch.tensor([2, 4]), 3)


def test_stream_mask_by_hand():
    got = stream_mask(5, window=2, sinks=1).int().tolist()
    assert got == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 1, 1, 0],
        [1, 0, 0, 1, 1],
    ]
    assert stream_mask(1, 5, window=2, sinks=1).int().tolist() == [[1, 0, 0, 1, 1]]
    for window, sinks in ((0, 1), (2, -1)):
        with pytest.raises(ValueError, match=f"window is {window} and sinks is {sinks}"):
            stream_mask(5, window=window, sinks=sinks)


@given(n=st.integers(1, 12), window=st.integers(1, 14), sinks=st.integers(0, 14))
@settings(max_examples=40, deadline=None)
def test_a_stream_sees_at_most_window_and_sinks(n, window, sinks):
    mask = stream_mask(n, window=window, sinks=sinks)
    assert mask.sum(1).max() <= window + sinks
    assert mask.diagonal().all() and not (mask & ~causal_mask(n)).any()
    if window + sinks >= n:
        assert torch.equal(mask, causal_mask(n))
    if sinks == 0:
        assert torch.equal(mask, causal_mask(n, window=window))


def test_an_empty_row_gives_zeros_and_no_gradient():
    scores = torch.tensor([[1.0, 2.0], [-torch.inf, -torch.inf], [0.0, -torch.inf]])
    scores.requires_grad_()
    weights = safe_softmax(scores)
    assert weights[1].tolist() == [0.0, 0.0] and weights[2].tolist() == [1.0, 0.0]
    (grad,) = torch.autograd.grad(weights[:, 0].sum(), scores)
    p = weights[0, 0].item()
    torch.testing.assert_close(grad[0], torch.tensor([p * (1 - p), -p * (1 - p)]))
    assert grad[1:].abs().max() == 0
    assert softmax(scores)[1].isnan().all()  # the plain one has no answer


@given(rows=st.integers(1, 5), columns=st.integers(1, 7), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_elsewhere_it_is_softmax_bit_for_bit(rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = 5 * torch.randn(rows, columns, generator=generator)
    scores[:, 1:][torch.rand(rows, columns - 1, generator=generator) < 0.4] = -torch.inf
    assert torch.equal(safe_softmax(scores), softmax(scores))
    mine, other = (scores.clone().requires_grad_() for _ in "ab")
    safe_softmax(mine).square().sum().backward()
    torch.softmax(other, -1).square().sum().backward()
    torch.testing.assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-5)
