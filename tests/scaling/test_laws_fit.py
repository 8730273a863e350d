"""The law and its fit: by hand, by recovery of a known law, and by its intervals."""

import numpy as np
import pytest

from course_lib.scaling.laws.fit import (
    Law,
    bootstrap,
    fit_law,
    huber,
    interval,
    leave_one_out,
    objective,
    theta,
)

TRUE = Law(E=1.5, A=200.0, a=0.6, B=900.0, b=0.5)


def grid(noise: float = 0.0, seed: int = 0):
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(4e3, 2e5, 6), np.geomspace(1e5, 3e6, 5)))
    return n, d, TRUE.loss(n, d) * np.exp(noise * np.random.default_rng(seed).standard_normal(30))


def test_law_by_hand():
    law = Law(E=1.0, A=8.0, a=1 / 3, B=10.0, b=0.5)
    assert law.loss(8.0, 100.0) == pytest.approx(1.0 + 4.0 + 1.0)


def test_huber_by_hand():
    got = huber(np.array([0.5, -2.0]), delta=1.0)
    np.testing.assert_allclose(got, [0.125, 1.5])


def test_objective_is_zero_at_the_truth_and_its_slope_is_the_derivative():
    n, d, loss = grid()
    data = np.log(n), np.log(d), np.log(loss)
    assert objective(np.array(theta(TRUE)), *data)[0] < 1e-25
    at = np.array(theta(TRUE)) + np.array([0.1, -0.2, 0.03, 0.1, -0.02])
    slope = objective(at, *data)[1]
    for i in range(5):
        step = np.zeros(5)
        step[i] = 1e-6
        numeric = (objective(at + step, *data)[0] - objective(at - step, *data)[0]) / 2e-6
        assert slope[i] == pytest.approx(numeric, rel=1e-4)


def test_fit_recovers_a_known_law():
    fit = fit_law(*grid())
    assert fit.law.E == pytest.approx(TRUE.E, abs=2e-3)
    assert fit.law.a == pytest.approx(TRUE.a, abs=0.02)
    assert fit.law.b == pytest.approx(TRUE.b, abs=0.02)
    assert np.abs(fit.residuals).max() < 1e-3


def test_one_wild_run_barely_moves_the_fit():
    n, d, loss = grid()
    wild = loss.copy()
    wild[7] *= 1.5
    assert fit_law(n, d, wild).law.E == pytest.approx(TRUE.E, abs=0.02)


def test_intervals_come_near_the_truth_and_widen_with_noise():
    widths = []
    for noise in (1e-4, 1e-2):
        n, d, loss = (x[::2] for x in grid(noise))
        low, high = interval(bootstrap(n, d, loss, repeats=8))["E"]
        assert low - 20 * noise < TRUE.E < high + 20 * noise
        widths.append(high - low)
    assert 0 < widths[0] < widths[1]


def test_leave_one_out_gives_a_law_a_run():
    n, d, loss = (x[::3] for x in grid(noise=0.003))
    laws = leave_one_out(n, d, loss)
    assert len(laws) == len(n) and len({law.E for law in laws}) > 1


def test_refusals_name_the_value():
    n, d, loss = grid()
    with pytest.raises(ValueError, match="expected ≥ 5"):
        fit_law(n[:4], d[:4], loss[:4])
    with pytest.raises(ValueError, match="above 0"):
        fit_law(n, d, loss - 10)
    with pytest.raises(ValueError, match="share=1.5"):
        interval([TRUE], 1.5)
