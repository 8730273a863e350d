"""The three fits and the ranking against numpy and scipy."""

import numpy as np
from scipy.optimize import least_squares, minimize_scalar
from scipy.stats import kendalltau

from course_lib.scaling.compute import optimal_tokens, total
from course_lib.scaling.fits import parabola, power_law
from course_lib.scaling.laws.fit import DELTA, Law, fit_law, huber, theta
from course_lib.scaling.planning.plan import besiroglu_2024
from course_lib.scaling.ranking import kendall_tau

TRUTH = Law(E=1.5, A=200.0, a=0.6, B=900.0, b=0.5)


def runs():
    """Thirty noisy runs, one of them a failure that Huber should bear."""
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(4e3, 2e5, 6), np.geomspace(1e5, 3e6, 5)))
    loss = TRUTH.loss(n, d) * np.exp(0.003 * np.random.default_rng(0).standard_normal(30))
    loss[7] *= 1.3
    return n, d, loss


def test_huber_fit_equals_scipy_least_squares(parity):
    n, d, loss = runs()

    def residuals(t):
        e, big_a, a, big_b, b = t
        return np.log(np.exp(e) + np.exp(big_a) * n**-a + np.exp(big_b) * d**-b) - np.log(loss)

    start = theta(TRUTH)
    theirs = least_squares(
        residuals,
        start,
        loss="huber",
        f_scale=DELTA,
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=5_000,
    )
    ours = fit_law(n, d, loss, starts=[start])
    assert np.isclose(theirs.cost, huber(theirs.fun).sum(), rtol=1e-9)  # one and the same objective
    predicted = np.log(ours.law.loss(n, d)) - np.log(loss)
    parity(
        stem="scaling",
        ours="scaling.fit.fit_law (Huber)",
        reference='scipy.optimize.least_squares(loss="huber")',
        error=np.abs(predicted - theirs.fun).max(),
        tolerance=1e-4,
        note="log losses of 30 noisy runs, one an outlier",
    )
    parity(
        stem="scaling",
        ours="scaling.fit.fit_law (Huber)",
        reference='scipy.optimize.least_squares(loss="huber")',
        error=abs(ours.objective / theirs.cost - 1),
        tolerance=1e-3,
        note="relative objective",
    )


def test_parabola_and_line_equal_polyfit(parity):
    random = np.random.default_rng(1)
    n = np.geomspace(1e6, 1e9, 9)
    loss = 0.1 * (np.log(n) - 17.0) ** 2 + 2 + 0.01 * random.standard_normal(9)
    c2, c1, c0 = np.polyfit(np.log(n), loss, 2)
    ours = parabola(n, loss)
    error = max(abs(ours.log_n + c1 / (2 * c2)), abs(ours.least - (c0 - c1**2 / (4 * c2))))
    parity(
        stem="scaling",
        ours="scaling.approaches.parabola",
        reference="numpy.polyfit, degree 2",
        error=error,
        tolerance=1e-8,
        note="vertex and least loss, 9 noisy sizes",
    )
    slope, at_zero = np.polyfit(np.log(n), np.log(loss), 1)
    line = power_law(n, loss)
    parity(
        stem="scaling",
        ours="scaling.approaches.power_law",
        reference="numpy.polyfit, degree 1",
        error=max(abs(line.exponent - slope), abs(np.log(line.factor) - at_zero)),
        tolerance=1e-9,
        note="slope and intercept in logarithms",
    )


def test_reconciled_optimum_equals_a_numeric_search(parity):
    law, error = besiroglu_2024(), 0.0
    for n in (1e4, 1e7, 1e10):
        c = 6 * n * float(optimal_tokens(law, n))
        found = minimize_scalar(
            lambda x, c=c: float(law.loss(total(np.exp(x)), c / 6 / np.exp(x))),
            bounds=(np.log(n) - 3, np.log(n) + 3),
            method="bounded",
            options={"xatol": 1e-10},
        )
        error = max(error, abs(found.x - np.log(n)))
    parity(
        stem="scaling",
        ours="scaling.reconcile.optimal_tokens",
        error=error,
        tolerance=1e-5,
        reference="scipy.optimize.minimize_scalar",
        note="log n of the best body at its own budget",
    )


def test_tau_equals_scipy(parity):
    random = np.random.default_rng(2)
    error = 0.0
    for _ in range(20):
        x, y = random.integers(0, 6, (2, 12)).astype(float)
        error = max(error, abs(kendall_tau(x, y) - kendalltau(x, y).statistic))
    parity(
        stem="scaling",
        ours="scaling.ranking.kendall_tau",
        reference="scipy.stats.kendalltau",
        error=error,
        tolerance=1e-12,
        note="20 pairs of rankings with ties",
    )
