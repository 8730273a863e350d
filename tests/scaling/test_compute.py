"""Counting the body alone: limits of the local exponent, and Kaplan's range."""

import numpy as np
import pytest

from course_lib.scaling.compute import (
    growth,
    local_exponent,
    optimal_tokens,
    seen_exponent,
    total,
)
from course_lib.scaling.fits import exponent_of
from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.plan import besiroglu_2024

LAW = besiroglu_2024()


def test_by_hand():
    assert total(np.array([8.0, 1000.0]), omega=3.0) == pytest.approx([14.0, 1030.0])
    assert growth(np.array(8.0), omega=3.0) == pytest.approx((8 + 2) / 14)


def test_limits():
    small, large = local_exponent(LAW, np.array([1e-6, 1e18]))
    assert small == pytest.approx(LAW.b / (LAW.a / 3 + LAW.b), abs=1e-3)
    assert large == pytest.approx(exponent_of(LAW), abs=1e-3)


def test_local_exponent_is_the_slope_of_the_optimum():
    n = np.geomspace(1e3, 1e12, 10)
    step = 1e-4
    log_c = [np.log(6 * x * optimal_tokens(LAW, x)) for x in (n * np.exp(-step), n * np.exp(step))]
    slope = 2 * step / (log_c[1] - log_c[0])
    assert local_exponent(LAW, n) == pytest.approx(slope, rel=1e-5)


def test_the_optimum_is_one():
    for n in (1e4, 1e7, 1e10):
        c = 6 * n * optimal_tokens(LAW, n)
        near = n * np.array([0.9, 1.0, 1.1])
        losses = LAW.loss(total(near), c / 6 / near)
        assert losses.argmin() == 1


def test_kaplans_range_gives_kaplans_kind_of_exponent():
    assert 0.7 < seen_exponent(LAW, 768, 1.5e9) < 0.85
    assert seen_exponent(LAW, 768, 1.5e9, omega=0) == pytest.approx(exponent_of(LAW))
    even = Law(E=1.0, A=10.0, a=0.5, B=10.0, b=0.5)
    assert seen_exponent(even, 1e12, 1e15) == pytest.approx(0.5, abs=0.001)


def test_refusals():
    with pytest.raises(ValueError, match="expected n above 0"):
        total(np.array([0.0]))
    with pytest.raises(ValueError, match="expected a range that rises"):
        seen_exponent(LAW, 10, 5)
