"""The check of the parametric objective: Huber's loss on the logarithm, summed over the runs."""

from collections.abc import Callable, Sequence

import numpy as np

from course_lib.checks._report import CheckReport, run_check
from course_lib.scaling.fit import DELTA, huber
from course_lib.scaling.fit import objective as fit_objective

Objective = Callable[[Sequence[float], Sequence[float], Sequence[float], Sequence[float]], float]


def _reference(theta, n, d, loss) -> float:
    return fit_objective(np.array(theta), np.log(n), np.log(d), np.log(loss))[0]


def _log_prediction(theta, n, d) -> np.ndarray:
    e, big_a, a, big_b, b = theta
    terms = [np.full(len(n), e), big_a - a * np.log(n), big_b - b * np.log(d)]
    return np.logaddexp.reduce(terms)


def _residuals(theta, n, d, loss) -> np.ndarray:
    return _log_prediction(theta, n, d) - np.log(loss)


def _on_the_loss(theta, n, d, loss) -> float:
    return float(huber(np.exp(_log_prediction(theta, n, d)) - np.array(loss)).sum())


def _squares(theta, n, d, loss) -> float:
    return float((_residuals(theta, n, d, loss) ** 2 / 2).sum())


def _absolute(theta, n, d, loss) -> float:
    return float(np.abs(_residuals(theta, n, d, loss)).sum())


def _mean(theta, n, d, loss) -> float:
    return _reference(theta, n, d, loss) / len(n)


def _no_logs_in_theta(theta, n, d, loss) -> float:
    e, big_a, a, big_b, b = theta
    with np.errstate(all="ignore"):
        predicted = e + big_a * np.array(n) ** -a + big_b * np.array(d) ** -b
        return float(huber(np.log(predicted) - np.log(loss)).sum())


def _overflowing(theta, n, d, loss) -> float:
    e, big_a, a, big_b, b = theta
    n, d = np.array(n, float), np.array(d, float)
    with np.errstate(all="ignore"):
        predicted = np.exp(e) + np.exp(big_a) * n**-a + np.exp(big_b) * d**-b
        return float(huber(np.log(predicted) - np.log(loss)).sum())


def _sum_of_logs(theta, n, d, loss) -> float:
    e, big_a, a, big_b, b = theta
    predicted = e + big_a - a * np.log(n) + big_b - b * np.log(d)
    return float(huber(predicted - np.log(loss)).sum())


def _jump(theta, n, d, loss) -> float:
    size = np.abs(_residuals(theta, n, d, loss))
    return float(np.where(size <= DELTA, size**2 / 2, DELTA * size).sum())


def _no_half(theta, n, d, loss) -> float:
    size = np.abs(_residuals(theta, n, d, loss))
    return float(np.where(size <= DELTA, size**2, DELTA * (2 * size - DELTA)).sum())


def _signs(theta, n, d, loss) -> float:
    e, big_a, a, big_b, b = theta
    return _reference((e, big_a, -a, big_b, -b), n, d, loss)


HUBER_MISTAKES = {
    "Your residual is predicted loss minus measured loss. It is the difference of their "
    "*logarithms*: a share, so that large and small losses weigh alike.": _on_the_loss,
    "You square every residual. Above δ Huber grows in a straight line: δ (|r| - δ/2).": _squares,
    "You sum |r|. Below δ Huber is r²/2, and above it δ (|r| - δ/2), not |r|.": _absolute,
    "You take the mean over the runs; the objective is their sum.": _mean,
    "θ holds log E, log A and log B: take the exponential of them (or stay among logarithms).": (
        _no_logs_in_theta
    ),
    "Right, until a descent tries large numbers: exp(800) has no double, and inf times 0 is NaN. "
    "Stay among logarithms: np.logaddexp of the three terms.": _overflowing,
    "You added the logarithms of the terms, which multiplies them. The terms add: use log Σ exp.": (
        _sum_of_logs
    ),
    "Your straight part is δ|r|: it doesn't meet the parabola at δ. Take δ (|r| - δ/2).": _jump,
    "The parabola is r²/2, not r²: the straight part has the slope δ.": _no_half,
    "Your exponents have the wrong sign: more parameters make the term smaller.": _signs,
}


def huber_objective(fn: Objective) -> CheckReport:
    """Check a function of (θ, N, D, L) that returns Σ Huber(log L̂ - log L) with δ = 1e-3."""
    law = (0.52, 6.0, 0.34, 6.0, 0.28)
    cases = [
        (law, [4e8, 1e9], [8e9, 2e10], [2.62, 2.31]),
        # residuals below δ for the first run and above it for the others
        ((0.5, 2.0, 0.4, 3.0, 0.4), [1e4, 2e4, 3e4], [1e5, 2e5, 4e5], [2.0351, 1.9, 1.95]),
        ((-700.0, 800.0, 90.0, 4.0, 0.3), [1e4], [1e6], [0.9]),  # exp(800) has no double
    ]
    return run_check(
        "the Huber objective", fn, cases, _reference, HUBER_MISTAKES,
        compare=lambda got, want: bool(np.isclose(float(got), want, rtol=1e-6, atol=1e-12,
                                                   equal_nan=True)),
    )  # fmt: skip
