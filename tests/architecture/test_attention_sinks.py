"""The sink in the softmax, the key of zeros, and the task on which sinks appear."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.attention.sinks import (
    NullKey,
    backcopy_batch,
    backcopy_chain,
    sink_softmax,
)
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.ops import softmax


def test_sink_softmax_by_hand():
    """Scores 0 and 0 beside a sink of log 2: e^0 / (2 + 1 + 1)."""
    got = sink_softmax(torch.zeros(1, 1, 1, 2), torch.tensor([2.0]).log())
    torch.testing.assert_close(got.flatten(), torch.tensor([0.25, 0.25]))


@given(heads=st.integers(1, 4), k=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_sink_takes_a_share_and_leaves_the_ratios(heads, k, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(2, heads, 3, k, generator=generator)
    sink = torch.randn(heads, generator=generator)
    weights, usual = sink_softmax(scores, sink), softmax(scores)
    kept = weights.sum(-1, keepdim=True)
    assert (kept < 1).all() and (kept > 0).all()
    torch.testing.assert_close(weights / kept, usual, atol=1e-6, rtol=1e-5)
    none = torch.full((heads,), -torch.inf)
    torch.testing.assert_close(sink_softmax(scores, none), usual, atol=1e-6, rtol=1e-5)


def test_a_null_key_is_a_sink_of_zero():
    q, k, v = torch.randn(3, 2, 3, 5, 8).unbind(0)
    mask = causal_mask(5)
    scores = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(~mask, -torch.inf)
    want = sink_softmax(scores, torch.zeros(3)) @ v
    longer = torch.cat((torch.ones(5, 1, dtype=torch.bool), mask), 1)
    got = plain_attention(q, *NullKey().update(0, k, v), longer)
    torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-5)


def test_a_decoder_runs_with_a_null_key_and_keeps_nothing():
    config = ModelConfig(vocab_size=11, d_model=16, n_layers=2, n_heads=2, max_seq=9)
    model, x = Decoder(config, torch.Generator().manual_seed(0)), torch.tensor([[1, 4, 2]])
    mask = torch.cat((torch.ones(3, 1, dtype=torch.bool), causal_mask(3)), 1).unsqueeze(0)
    null = NullKey()
    first, second = (model(x, mask=mask, cache=null) for _ in range(2))
    assert torch.equal(first, second) and null.length == 1
    assert (first - model(x)).abs().max() > 1e-3


def test_backcopy_texts_obey_their_rule():
    generator = torch.Generator().manual_seed(0)
    chain = backcopy_chain(12, 2, generator)
    torch.testing.assert_close(chain.sum(1), torch.ones(12))
    texts = backcopy_batch(chain, 2, 300, 20, generator)
    assert (texts[:, 0] == 0).all() and (texts[:, 1:] > 0).all()
    before, now, after = texts[:, 1:-2], texts[:, 2:-1], texts[:, 3:]
    trigger = now <= 2
    assert trigger.sum() > 100
    assert torch.equal(after[trigger], before[trigger])
    counts = torch.zeros(12, 12).index_put(
        (now[~trigger], after[~trigger]), torch.ones(()), accumulate=True
    )
    shares = counts[3:] / counts[3:].sum(1, keepdim=True)
    assert (shares - chain[3:]).abs().max() < 0.15


def test_messages():
    generator = torch.Generator()
    with pytest.raises(ValueError, match="triggers is 9, expected 1 to 8"):
        backcopy_chain(10, 9, generator)
    with pytest.raises(ValueError, match="seq is 1, expected at least 2"):
        backcopy_batch(torch.ones(3, 3), 1, 1, 1, generator)
