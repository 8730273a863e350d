"""Tests of paired differences by hand, against scipy, and a grid that finds its way inside."""

import pytest
from scipy import stats

from course_lib.studies.pairs import best_inside, holm, mean_and_half_width, p_value


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_p_is_that_of_scipys_t_test(n):
    values = [0.3, 0.1, 0.45, -0.2, 0.22, 0.4, 0.05][:n]
    assert p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-12)


def test_p_of_equal_values():
    assert p_value([0.0, 0.0, 0.0]) == 1.0
    assert p_value([0.1, 0.1]) == 0.0
    for values in ([0.1], [0.1, float("nan"), 0.2]):
        with pytest.raises(ValueError, match="2 finite values"):
            p_value(values)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_three_pairs_and_eight_looks_leave_no_certainty():
    """The ladder's RoPE with three seeds: p = 0.009 alone, 0.075 among eight looks."""
    rope = [0.1518, 0.2095, 0.2037]
    assert p_value(rope) == pytest.approx(0.0094, abs=2e-4)
    assert holm([p_value(rope), *[0.5] * 7])[0] > 0.05
    assert mean_and_half_width(rope)[0] > mean_and_half_width(rope)[1]


@pytest.mark.parametrize("least", [1e-3, 4e-3, 64e-3])
def test_a_grid_goes_on_until_its_best_lies_inside(least):
    asked = []

    def loss_at(rate: float) -> float:
        asked.append(rate)
        return abs(rate - least)

    assert best_inside(loss_at, (4e-3, 8e-3, 16e-3)) == pytest.approx(least)
    assert min(asked) < least < max(asked)
    assert len(asked) == len(set(asked))


def test_a_grid_without_an_inside_is_refused():
    with pytest.raises(ValueError, match="still at the edge"):
        best_inside(lambda rate: -rate, (1.0, 2.0, 4.0))
