"""Intervals and tests: worked by hand, true to their promise, and equal to scipy's."""

import random

import numpy as np
import pytest

from course_lib.evaluation.stats import mcnemar, paired_bootstrap, questions_needed, wald
from course_lib.world import wilson


def test_wilson_is_open_where_the_textbook_interval_collapses():
    assert wald(20, 20).low == 1.0
    assert wilson(20, 20).low == pytest.approx(0.8389, abs=1e-4)
    assert wilson(0, 20).low == 0.0


def test_wilson_covers_the_truth_where_wald_does_not():
    rng = np.random.default_rng(0)
    drawn = rng.binomial(30, 0.95, 4000)
    rates = [
        np.mean([f(int(k), 30).low <= 0.95 <= f(int(k), 30).high for k in drawn])
        for f in (wilson, wald)
    ]
    assert rates[0] > 0.93
    assert rates[1] < 0.85


def test_mcnemar_by_hand():
    # 1 question only the first got right, 7 only the second: 2 · (C(8,0) + C(8,1)) / 2^8
    first = [True] * 10 + [True] + [False] * 7 + [False] * 5
    second = [True] * 10 + [False] + [True] * 7 + [False] * 5
    test = mcnemar(first, second)
    assert (test.only_first, test.only_second) == (1, 7)
    assert test.p_value == pytest.approx(2 * 9 / 256)


def test_mcnemar_of_equal_models_is_one():
    assert mcnemar([True, False], [True, False]).p_value == 1.0


def test_bootstrap_pairs_the_questions():
    # the models differ on two questions of 200; unpaired, the noise of the questions would hide it
    rng = random.Random(0)
    first = [rng.random() < 0.5 for _ in range(200)]
    second = [True if i in (3, 4) else right for i, right in enumerate(first)]
    gain = sum(second) / 200 - sum(first) / 200
    interval = paired_bootstrap(first, second)
    assert interval.estimate == pytest.approx(gain)
    assert interval.high - interval.low < 0.03


def test_bootstrap_is_deterministic_and_antisymmetric():
    first, second = [1, 0, 0, 1, 0] * 20, [1, 1, 0, 1, 0] * 20
    there = paired_bootstrap(first, second, seed=1)
    back = paired_bootstrap(second, first, seed=1)
    assert there == paired_bootstrap(first, second, seed=1)
    assert there.low == pytest.approx(-back.high)


def test_bootstrap_refuses_different_questions():
    with pytest.raises(ValueError, match="3 and 2"):
        paired_bootstrap([1, 0, 1], [1, 0])


def test_questions_needed_is_enough():
    n = questions_needed(0.05, disagreement=0.15)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        kind = rng.choice(3, n, p=[0.10, 0.05, 0.85])
        found += mcnemar((kind == 1).tolist(), (kind == 0).tolist()).p_value < 0.05
    assert 0.70 < found / 300 < 0.88  # asked for 0.8; the exact test is a little cautious
