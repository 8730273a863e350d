"""Three approaches: runs made from a known law give its exponent back; faults are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.scaling.fits import (
    envelope,
    exponent_of,
    isoflop,
    parabola,
    power_law,
    resampled,
    slices,
)
from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.plan import compute_optimal

LAW = Law(E=1.5, A=200.0, a=0.4, B=500.0, b=0.5)


def grid(law=LAW, sizes=25):
    """Runs at exact budgets C = 6ND, many sizes around the optimum of each."""
    budgets, runs = np.geomspace(1e10, 1e13, 4), []
    all_sizes = np.geomspace(1e2, 1e9, sizes * 4)
    for c in budgets:
        best = compute_optimal(law, c).n
        near = all_sizes[(all_sizes > best / 5) & (all_sizes < best * 5)]
        runs += [(n, c, float(law.loss(n, c / 6 / n))) for n in near]
    return (*map(np.array, zip(*runs, strict=True)), budgets)


def test_power_law_by_hand():
    found = power_law(np.array([1.0, 10.0, 100.0]), np.array([2.0, 20.0, 200.0]))
    assert found.exponent == pytest.approx(1.0) and found.factor == pytest.approx(2.0)
    assert found.at(7.0) == pytest.approx(14.0)


def test_parabola_by_hand():
    n = np.exp([0.0, 1.0, 3.0])
    found = parabola(n, 2.0 * (np.log(n) - 1.25) ** 2 + 0.5)
    assert (found.curve, found.log_n, found.least) == pytest.approx((2.0, 1.25, 0.5))
    assert found.inside and found.n == pytest.approx(np.exp(1.25))
    assert found.at(np.e) == pytest.approx(2.0 * 0.0625 + 0.5)
    assert not parabola(n, (np.log(n) - 4.0) ** 2).inside


@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 5), st.floats(2, 15), st.floats(0.5, 4))
def test_parabola_finds_any_vertex(curve, at, least):
    n = np.exp(np.linspace(at - 2, at + 3, 6))
    found = parabola(n, curve * (np.log(n) - at) ** 2 + least)
    assert found.log_n == pytest.approx(at, abs=1e-5)
    assert found.least == pytest.approx(least, abs=1e-5)


def test_slices_read_between_runs_and_never_beyond():
    n, c = np.array([1.0, 1.0, 2.0, 2.0]), np.array([1e2, 1e4, 1e3, 1e5])
    loss = np.array([4.0, 1.0, 3.0, 2.0])
    low, middle, high = slices(n, c, loss, np.array([1e2, 1e3, 2e4]))
    assert list(low.n) == [1.0] and low.loss[0] == pytest.approx(4.0)
    assert list(middle.n) == [1.0, 2.0]
    assert middle.loss == pytest.approx([2.0, 3.0])  # halfway in log C: the geometric mean of 4, 1
    assert list(high.n) == [2.0]


def test_isoflop_and_envelope_find_the_exponent_of_the_law():
    n, c, loss, budgets = grid()
    wanted = exponent_of(LAW)
    assert wanted == pytest.approx(0.5 / 0.9)
    parabolas, best = isoflop(n, c, loss, budgets, reach=3.0)
    assert all(p.inside for p in parabolas)
    assert best.law.exponent == pytest.approx(wanted, abs=0.01)
    assert best.n == pytest.approx([compute_optimal(LAW, b).n for b in budgets], rel=0.05)
    first = envelope(n, c, loss, budgets)
    assert first.law.exponent == pytest.approx(wanted, abs=0.03)


def test_a_vertex_outside_does_not_count():
    n, c, loss, budgets = grid()
    best = np.array([compute_optimal(LAW, x).n for x in c])
    keep = (c > budgets[0]) | (n < best / 1.5)  # the smallest budget was tried on small models only
    _, found = isoflop(n[keep], c[keep], loss[keep], budgets)
    assert budgets[0] not in found.budgets and len(found.n) == 3


def test_resampled_is_seeded_and_skips_what_fails():
    def estimate(pick):
        if 0 in pick:
            raise ValueError("run 0")
        return float(pick.mean())

    found = resampled(estimate, 5, repeats=60)
    assert 0 < len(found) < 60 and np.std(found) > 0
    assert np.array_equal(found, resampled(estimate, 5, repeats=60))


def test_refusals():
    with pytest.raises(ValueError, match="2 different sizes"):
        parabola(np.array([1.0, 2.0, 2.0]), np.ones(3))
    with pytest.raises(ValueError, match="no lowest point"):
        parabola(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match="two different values"):
        power_law(np.array([3.0, 3.0]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="0 budgets"):
        isoflop(np.array([1.0, 2.0]), np.array([5.0, 5.0]), np.array([1.0, 2.0]), np.array([5.0]))
