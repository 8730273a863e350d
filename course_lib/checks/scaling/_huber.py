"""The parametric objective: Huber's loss on the logarithm, summed over the runs."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.scaling._laws import draw, log_uniform
from course_lib.checks.values import close
from course_lib.scaling.laws.fit import DELTA, Law, theta
from course_lib.scaling.laws.fit import huber as penalty_of
from course_lib.scaling.laws.fit import objective as fit_objective
from course_lib.scaling.planning.plan import besiroglu_2024, hoffmann_2022

Runs = tuple[tuple[float, ...], list[float], list[float], list[float]]


def _runs(random: Random, around: Law | None, off: tuple[float, ...]) -> Runs:
    """θ of a law, and runs whose log loss is ``off`` by about as much as given from it."""
    law = Law(**draw(random, around))
    n = [log_uniform(random, 1e7, 1e10) for _ in off]
    d = [log_uniform(random, 1e9, 1e12) for _ in off]
    by = [x * random.uniform(0.8, 1.2) for x in off]
    loss = [float(law.loss(*at) * np.exp(x)) for *at, x in zip(n, d, by, strict=True)]
    return tuple(float(x) for x in theta(law)), n, d, loss


def _cases(seed: int) -> list[Case]:
    random = Random(seed)
    far, near = 30 * DELTA, DELTA / 2
    steep = (-700.0, 800.0, random.uniform(85, 95), 4.0, random.uniform(0.25, 0.35))
    nothing = (_runs(random, None, ())[0], [], [], [])
    return [
        Case("two runs far from the law", _runs(random, hoffmann_2022(), (far, -far))),
        Case("two runs close to it", _runs(random, None, (near, -near))),
        Case("close and far", _runs(random, besiroglu_2024(), (near, far, -2 * far))),
        Case("one run that diverged", _runs(random, None, (near, -near, near, 0.7))),
        Case(
            "a law that a descent tries: exp(A') has no double",
            (
                steep,
                [random.uniform(1e4, 2e4)],
                [random.uniform(1e6, 2e6)],
                [random.uniform(0.8, 1)],
            ),
        ),
        Case("no run at all", nothing, edge=True),
    ]


def _near(got: Any, want: Any) -> bool:
    """Close, for numbers as small as squares of δ; two answers that overflow are alike."""
    if isinstance(got, float) and isinstance(want, float) and math.isnan(got):
        return math.isnan(want)
    return close(got, want, rtol=1e-6, atol=1e-12)


def _reference(theta: tuple, n: list, d: list, loss: list) -> float:
    n, d, loss = (np.array(x, float) for x in (n, d, loss))
    return fit_objective(np.array(theta), np.log(n), np.log(d), np.log(loss))[0]


def _terms(theta: tuple, n: list, d: list) -> np.ndarray:
    e, big_a, a, big_b, b = theta
    return np.stack([np.full(len(n), e), big_a - a * np.log(n), big_b - b * np.log(d)])


def _summed(
    theta: tuple,
    n: list,
    d: list,
    loss: list,
    *,
    predict: Callable = lambda terms: np.logaddexp.reduce(terms),
    measured: Callable = np.log,
    penalty: Callable = penalty_of,
) -> float:
    """The objective with one thing to get wrong at a time; right by default."""
    with np.errstate(all="ignore"):
        residuals = predict(_terms(theta, n, d)) - measured(np.array(loss, float))
        return float(penalty(residuals).sum())


def _changed(**change) -> Callable:
    return lambda theta, n, d, loss: _summed(theta, n, d, loss, **change)


def _no_logs_in_theta(theta: tuple, n: list, d: list, loss: list) -> float:
    e, big_a, a, big_b, b = theta
    with np.errstate(all="ignore"):
        predicted = e + big_a * np.array(n) ** -a + big_b * np.array(d) ** -b
        return float(penalty_of(np.log(predicted) - np.log(loss)).sum())


def _overflowing(theta: tuple, n: list, d: list, loss: list) -> float:
    e, big_a, a, big_b, b = theta
    n, d = np.array(n, float), np.array(d, float)
    with np.errstate(all="ignore"):
        predicted = np.exp(e) + np.exp(big_a) * n**-a + np.exp(big_b) * d**-b
        return float(penalty_of(np.log(predicted) - np.log(loss)).sum())


def _signs(theta: tuple, n: list, d: list, loss: list) -> float:
    e, big_a, a, big_b, b = theta
    return _reference((e, big_a, -a, big_b, -b), n, d, loss)


def _pieces(below: Callable, above: Callable) -> Callable:
    return lambda r: np.where(abs(r) <= DELTA, below(abs(r)), above(abs(r)))


_MISTAKES = {
    "Your residual is predicted loss minus measured loss. It is the difference of their "
    "*logarithms*: a share, so that large and small losses weigh alike.": _changed(
        predict=lambda terms: np.exp(np.logaddexp.reduce(terms)), measured=lambda loss: loss
    ),
    "You square every residual. Above δ Huber grows in a straight line: δ (|r| - δ/2).": _changed(
        penalty=lambda r: r**2 / 2
    ),
    "You sum |r|. Below δ Huber is r²/2, and above it δ (|r| - δ/2), not |r|.": _changed(
        penalty=np.abs
    ),
    "You take the mean over the runs; the objective is their sum.": (
        lambda theta, n, d, loss: _reference(theta, n, d, loss) / len(n)
    ),
    "θ holds log E, log A and log B: take the exponential of them (or stay among logarithms).": (
        _no_logs_in_theta
    ),
    "Right, until a descent tries large numbers: exp(800) has no double, and inf times 0 is NaN. "
    "Stay among logarithms: np.logaddexp of the three terms.": _overflowing,
    "You added the logarithms of the terms, which multiplies them. The terms add: use log Σ exp.": (
        _changed(predict=lambda terms: terms.sum(0))
    ),
    "Your straight part is δ|r|: it doesn't meet the parabola at δ. Take δ (|r| - δ/2).": _changed(
        penalty=_pieces(lambda r: r**2 / 2, lambda r: DELTA * r)
    ),
    "The parabola is r²/2, not r²: the straight part has the slope δ.": _changed(
        penalty=_pieces(np.square, lambda r: DELTA * (2 * r - DELTA))
    ),
    "You took the two pieces the wrong way round: the parabola is for |r| up to δ.": _changed(
        penalty=_pieces(lambda r: DELTA * (r - DELTA / 2), lambda r: r**2 / 2)
    ),
    "Your exponents have the wrong sign: more parameters make the term smaller.": _signs,
}

huber = Exercise(
    name="scaling/huber",
    title="The objective of the parametric fit",
    answer="my_objective",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_reference,
    mistakes=_MISTAKES,
    compare=_near,
    forbidden=("huber", "HuberLoss", "huber_loss"),
)
