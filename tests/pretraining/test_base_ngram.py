"""Counts by hand, and probabilities that sum to one."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.pretraining.base.ngram import NGram


def test_by_hand():
    # "a b a c": after a came b and c, once each; unigram counts a 2, b 1, c 1
    model = NGram(order=2, vocab_size=4).fit([[0, 1, 0, 2]])
    unigram_b = (1 + 3 * (1 / 4)) / (4 + 3)
    assert model.probability(1, []) == pytest.approx(unigram_b)
    assert model.probability(1, [0]) == pytest.approx((1 + 2 * unigram_b) / (2 + 2))
    assert model.probability(1, [3]) == pytest.approx(unigram_b), "3 was never a context"


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=8), max_size=5), st.integers(1, 4))
def test_probabilities_sum_to_one(documents, order):
    model = NGram(order, 5).fit(documents)
    for context in ([], [0], [1, 2], [4, 4, 4]):
        total = sum(model.probability(token, context) for token in range(5))
        assert total == pytest.approx(1.0)


def test_longer_context_helps_where_it_tells():
    text = [[0, 1, 2, 3] * 20]
    losses = [NGram(order, 4).fit(text).nats(text[0]) for order in (1, 2, 3)]
    assert losses[0] > 80 * math.log(4) * 0.99 and losses[1] < 0.2 * losses[0]


def test_order_zero_is_refused():
    with pytest.raises(ValueError, match="order=0"):
        NGram(0, 5)
