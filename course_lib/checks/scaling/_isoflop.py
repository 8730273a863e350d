"""The check of the IsoFLOP parabola: the size of least loss for one budget."""

from collections.abc import Callable

import numpy as np

from course_lib.checks._report import CheckReport, run_check

Isoflop = Callable[[list[float], list[float]], float | None]


def _vertex(log_n: np.ndarray, loss: np.ndarray) -> float | None:
    c2, c1, _ = np.polyfit(log_n, loss, 2)
    return None if c2 <= 0 else float(-c1 / (2 * c2))


def _reference(sizes: list[float], losses: list[float]) -> float | None:
    at = _vertex(np.log(sizes), np.array(losses))
    return None if at is None else float(np.exp(at))


def _best_trained(sizes: list[float], losses: list[float]) -> float:
    return sizes[int(np.argmin(losses))]


def _in_n(sizes: list[float], losses: list[float]) -> float | None:
    return _vertex(np.array(sizes), np.array(losses))


def _not_back(sizes: list[float], losses: list[float]) -> float | None:
    return _vertex(np.log(sizes), np.array(losses))


def _without_two(sizes: list[float], losses: list[float]) -> float | None:
    c2, c1, _ = np.polyfit(np.log(sizes), losses, 2)
    return None if c2 <= 0 else float(np.exp(-c1 / c2))


def _sign(sizes: list[float], losses: list[float]) -> float | None:
    c2, c1, _ = np.polyfit(np.log(sizes), losses, 2)
    return None if c2 <= 0 else float(np.exp(c1 / (2 * c2)))


def _no_refusal(sizes: list[float], losses: list[float]) -> float:
    c2, c1, _ = np.polyfit(np.log(sizes), losses, 2)
    return float(np.exp(-c1 / (2 * c2)))


def _other_end_first(sizes: list[float], losses: list[float]) -> float | None:
    c0, c1, c2 = np.polyfit(np.log(sizes), losses, 2)  # numpy gives the highest power first
    return None if c2 <= 0 else float(np.exp(-c1 / (2 * c2)))


def _base_ten(sizes: list[float], losses: list[float]) -> float | None:
    at = _vertex(np.log10(sizes), np.array(losses))
    return None if at is None else float(np.exp(at))


def _three_lowest(sizes: list[float], losses: list[float]) -> float | None:
    kept = np.argsort(losses)[:3]
    at = _vertex(np.log(np.array(sizes)[kept]), np.array(losses)[kept])
    return None if at is None else float(np.exp(at))


ISOFLOP_MISTAKES = {
    "You return the best size that was trained. The optimum lies between the sizes: that is what "
    "the parabola is for.": _best_trained,
    "Your parabola is in N. Sizes are spread by factors, and the loss is nearly even in log N: fit "
    "against log N.": _in_n,
    "You return log N. Take the exponential to come back to parameters.": _not_back,
    "Your vertex lacks the 2: the slope c1 + 2 c2 x is zero at x = -c1 / (2 c2).": _without_two,
    "The sign of your vertex is wrong: the slope c1 + 2 c2 x is zero at x = -c1 / (2 c2).": _sign,
    "A parabola that opens downwards has a highest point there, not a lowest. Return None: the "
    "best size isn't among those tried.": _no_refusal,
    "You took the coefficients in the wrong order: numpy.polyfit gives the highest power first.": (
        _other_end_first
    ),
    "You fitted against log10 and came back by exp: use one base for both ways.": _base_ten,
    "You fitted the three lowest runs alone. Then the parabola passes through their noise: use all "
    "that are given.": _three_lowest,
}


def isoflop(fn: Isoflop) -> CheckReport:
    """Check a function of (sizes, losses) of one budget that returns the N of least loss.

    None where the parabola through loss against log N opens downwards.
    """
    cases = [
        ([1e6, 2e6, 4e6, 8e6, 16e6], [3.30, 3.12, 3.05, 3.09, 3.21]),
        ([7.4e3, 13.5e3, 21.4e3, 40.9e3], [1.615, 1.623, 1.636, 1.672]),
        ([1e8, 1e9, 1e10], [2.9, 2.5, 2.7]),
        ([1e6, 4e6, 16e6, 64e6], [3.0, 3.1, 3.12, 3.05]),
    ]
    return run_check("the IsoFLOP optimum", fn, cases, _reference, ISOFLOP_MISTAKES)
