"""The fit that stops early: off the minimum, and sure of it."""

import numpy as np
import pytest

from course_lib.scaling.planning.plan import besiroglu_2024
from course_lib.scaling.replication import STARTS, best_of, descend, exponents, like_hoffmann

RUNS = like_hoffmann(besiroglu_2024())


def test_runs_are_where_hoffmanns_were():
    ratio, flops = RUNS.d / RUNS.n, 6 * RUNS.n * RUNS.d
    assert len(RUNS) == 240 and ratio.min() > 1 and ratio.max() < 300
    assert 1e18 <= flops.min() and flops.max() <= 3e21
    off = np.log(RUNS.loss / besiroglu_2024().loss(RUNS.n, RUNS.d))
    assert off.std() == pytest.approx(0.01, rel=0.15)
    assert len(RUNS.pick(np.arange(10))) == 10


def test_sum_and_mean_have_one_minimum_and_stop_apart():
    truth = 0.5126
    by_sum, by_mean = best_of(RUNS, "sum"), best_of(RUNS, "mean")
    assert by_sum.n_power == pytest.approx(truth, abs=0.02)
    assert by_mean.summed > 2 * by_sum.summed  # it left most of the gain on the table
    assert abs(by_mean.n_power - truth) > 0.05
    polished = descend(RUNS, by_sum.theta, "mean", scale=1e7)  # the mean, in honest units
    assert polished.summed == pytest.approx(by_sum.summed, rel=1e-4)


def test_refits_that_do_not_move_agree():
    early, late = best_of(RUNS, "mean"), best_of(RUNS, "sum", 1e4)
    narrow = np.ptp(np.quantile(exponents(RUNS, early, "mean", repeats=20), [0.1, 0.9]))
    honest = np.ptp(np.quantile(exponents(RUNS, late, "sum", 1e4, repeats=20), [0.1, 0.9]))
    assert honest > 4 * narrow > 0


def test_a_typo_is_named():
    with pytest.raises(ValueError, match="total='median'"):
        descend(RUNS, STARTS[0], "median")
