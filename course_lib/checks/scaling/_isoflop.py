"""The bottom of an IsoFLOP curve: the size of least loss for one budget."""

from collections.abc import Callable
from random import Random

import numpy as np

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.scaling._laws import log_uniform
from course_lib.checks.values import close


def _curve(
    random: Random, sizes: int, *, at: float, noise: float = 0.004, step: float = 2.0
) -> tuple[list[float], list[float]]:
    """``sizes`` runs a factor apart; the lowest point of their parabola lies ``at`` that index."""
    smallest, least = log_uniform(random, 1e5, 1e9), random.uniform(1.5, 3.5)
    curve = random.uniform(0.03, 0.08)
    n = [smallest * step**i * random.uniform(0.9, 1.1) for i in range(sizes)]
    best = np.log(smallest) + np.log(step) * (at + random.uniform(-0.15, 0.15))
    loss = [least + curve * (np.log(x) - best) ** 2 + random.gauss(0, noise) for x in n]
    return n, [float(x) for x in loss]


def _cases(seed: int) -> list[Case]:
    random = Random(seed)
    n, loss = _curve(random, 6, at=2.4)
    order = random.sample(range(6), 6)
    n, loss = [n[i] for i in order], [loss[i] for i in order]
    up, hill = _curve(random, 4, at=1.5)
    return [
        Case("five sizes, the best among them", _curve(random, 5, at=2.3)),
        Case("four sizes, a factor of four apart", _curve(random, 4, at=1.6, step=4.0)),
        Case("seven noisy runs", _curve(random, 7, at=3.4, noise=0.01)),
        Case("six sizes in no order", (n, loss)),
        Case("the best lies above the largest", _curve(random, 5, at=4.8, noise=0.001)),
        Case("opens downwards", (up, [6 - x for x in hill]), edge=True),
    ]


def _fitted(
    sizes: list[float],
    losses: list[float],
    *,
    log: Callable = np.log,
    back: Callable = np.exp,
    factor: float = -0.5,
    refuse: bool = True,
) -> float | None:
    """The vertex, with one thing to get wrong at a time; right by default."""
    c2, c1, _ = np.polyfit(log(np.array(sizes)), losses, 2)
    if refuse and c2 <= 0:
        return None
    with np.errstate(all="ignore"):
        return float(back(factor * c1 / c2))


def _changed(**change) -> Callable:
    return lambda sizes, losses: _fitted(sizes, losses, **change)


def _reference(sizes: list[float], losses: list[float]) -> float | None:
    return _fitted(sizes, losses)


def _other_end_first(sizes: list[float], losses: list[float]) -> float | None:
    c0, c1, c2 = np.polyfit(np.log(sizes), losses, 2)
    with np.errstate(all="ignore"):
        return None if c2 <= 0 else float(np.exp(-c1 / (2 * c2)))


def _three_lowest(sizes: list[float], losses: list[float]) -> float | None:
    kept = np.argsort(losses)[:3]
    return _fitted([sizes[i] for i in kept], [losses[i] for i in kept])


def _in_other_units(answer: Callable, seed: int) -> str | None:
    n, loss = _curve(Random(seed), 5, at=2.3)
    here, there = answer(list(n), list(loss)), answer([x / 1e6 for x in n], list(loss))
    if close(there, here / 1e6):
        return None
    return "With the sizes given in millions, your best size should be that in millions. It isn't."


_MISTAKES = {
    "You return the best size that was trained. The optimum lies between the sizes: that is what "
    "the parabola is for.": lambda sizes, losses: sizes[int(np.argmin(losses))],
    "Your parabola is in N. Sizes are spread by factors, and the loss is nearly even in log N: fit "
    "against log N.": _changed(log=lambda n: n, back=lambda x: x),
    "You return log N. Take the exponential to come back to parameters.": _changed(
        back=lambda x: x
    ),
    "Your vertex lacks the 2: the slope c1 + 2 c2 x is zero at x = -c1 / (2 c2).": _changed(
        factor=-1.0
    ),
    "The sign of your vertex is wrong: the slope c1 + 2 c2 x is zero at x = -c1 / (2 c2).": (
        _changed(factor=0.5)
    ),
    "A parabola that opens downwards has a highest point there, not a lowest. Return None: the "
    "best size isn't among those tried.": _changed(refuse=False),
    "You took the coefficients in the wrong order: numpy.polyfit gives the highest power first.": (
        _other_end_first
    ),
    "You fitted against log10 and came back by exp: use one base for both ways.": _changed(
        log=np.log10
    ),
    "You fitted the three lowest runs alone. Then the parabola passes through their noise: use all "
    "that are given.": _three_lowest,
}

isoflop = Exercise(
    name="scaling/isoflop",
    title="The bottom of an IsoFLOP curve",
    answer="best_size",
    kind="build",
    minutes=20,
    points=8,
    cases=_cases,
    reference=_reference,
    mistakes=_MISTAKES,
    properties=(Property("the unit of the sizes doesn't matter", _in_other_units),),
)
