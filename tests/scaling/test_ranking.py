"""Kendall's tau by hand, its ties, and its interval."""

import numpy as np
import pytest

from course_lib.scaling.ranking import agreement, kendall_tau, tau_interval


def numbers(*values: float) -> np.ndarray:
    return np.array(values, float)


def test_by_hand():
    four = numbers(1, 2, 3, 4), numbers(1, 2, 4, 3)
    assert agreement(*four) == (5, 1, 0)
    assert kendall_tau(*four) == pytest.approx(4 / 6)
    assert kendall_tau(numbers(1, 2, 3), numbers(3, 2, 1)) == -1.0
    tied = numbers(1, 1, 2), numbers(1, 2, 3)
    assert agreement(*tied) == (2, 0, 1)
    assert kendall_tau(*tied) == pytest.approx(2 / (2 * 3) ** 0.5)


def test_interval_is_seeded_and_wide_for_few_items():
    x = numbers(*range(8))
    assert tau_interval(x, x) == (1.0, 1.0)
    y = numbers(1, 0, 2, 3, 5, 4, 7, 6)
    low, high = tau_interval(x, y)
    assert low < kendall_tau(x, y) < high and high - low > 0.2
    assert (low, high) == tau_interval(x, y)


def test_refusals():
    with pytest.raises(ValueError, match="2 and 3 items"):
        agreement(numbers(1, 2), numbers(1, 2, 3))
    with pytest.raises(ValueError, match="no order to compare"):
        kendall_tau(numbers(1, 1), numbers(1, 2))
    with pytest.raises(ValueError, match="at least 4"):
        tau_interval(numbers(1, 2, 3), numbers(1, 2, 3))
