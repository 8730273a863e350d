"""The instant check of the model that is cheapest to train and to serve."""

import math
from collections.abc import Callable

from scipy.optimize import minimize_scalar

from course_lib.checks._report import CheckReport, run_check
from course_lib.scaling.fit import Law
from course_lib.scaling.lifetime import serving_optimal, tokens_for, training_optimal
from course_lib.scaling.plan import besiroglu_2024, hoffmann_2022

Answer = tuple[float, float]
Tokens = Callable[[Law, float, float], float]


def _reference(law: Law, loss: float, served: float) -> Answer:
    best = serving_optimal(law, loss, served)
    return best.n, best.d


def _search(
    law: Law, loss: float, served: float, *, a_token: float = 2.0, tokens: Tokens = tokens_for
) -> Answer:
    """The cheapest size by search, with the price of a served token and the tokens to get wrong."""
    top, bottom = training_optimal(law, loss).n, (law.A / (loss - law.E)) ** (1 / law.a)

    def total(log_n: float) -> float:
        n = math.exp(log_n)
        return math.log(6 * n * tokens(law, n, loss) + a_token * n * served)

    bounds = (math.log(bottom) + 1e-9, math.log(top))
    n = math.exp(minimize_scalar(total, bounds=bounds, method="bounded",
                                 options={"xatol": 1e-10}).x)  # fmt: skip
    return n, tokens(law, n, loss)


def _training_alone(law: Law, loss: float, served: float) -> Answer:
    return tuple(training_optimal(law, loss))


def _old_tokens(law: Law, loss: float, served: float) -> Answer:
    return _reference(law, loss, served)[0], training_optimal(law, loss).d


def _one_budget(law: Law, loss: float, served: float) -> Answer:
    """Least loss for the FLOPs that training alone would take: the quality isn't held."""
    n, d = training_optimal(law, loss)
    budget = 6 * n * d + 2 * n * served

    def worst(log_n: float) -> float:
        size = math.exp(log_n)
        left = budget / size - 2 * served
        return float(law.loss(size, left / 6)) if left > 0 else 1e9 + log_n

    found = minimize_scalar(worst, bounds=(math.log(n) - 4, math.log(n)), method="bounded")
    size = math.exp(found.x)
    return size, (budget / size - 2 * served) / 6


def _swapped(law: Law, n: float, loss: float) -> float:
    gap = loss - law.E - law.A * n**-law.a
    return math.inf if gap <= 0 else (law.B / gap) ** (1 / law.a)


def _whole_gap(law: Law, loss: float, served: float) -> Answer:
    return _reference(law, loss, served)[0], (law.B / (loss - law.E)) ** (1 / law.b)


SERVING_MISTAKES = MISTAKES = {
    "That is the model that is cheapest to train. Each served token costs 2N more, so a smaller "
    "one is cheaper over its life.": _training_alone,
    "You charge 6N for a served token. Six is for training; serving has no backward pass: 2N.":
        lambda law, loss, served: _search(law, loss, served, a_token=6.0),
    "You charge N for a served token. Each weight is multiplied *and* added: 2N.":
        lambda law, loss, served: _search(law, loss, served, a_token=1.0),
    "Your N is right, your D isn't: a smaller model needs more tokens for the same loss, and you "
    "kept those of the training optimum.": _old_tokens,
    "You held the budget and let the loss go. Here the loss is given, and what it costs is to be "
    "least.": _one_budget,
    "Your D belongs to an endless model: the gap L - E is shared, and A / N^a has taken its part. "
    "D = (B / (L - E - A/N^a))^(1/b).": _whole_gap,
    "You took the root with a. The term of the data is B / D^b, so D = (B / gap)^(1/b).":
        lambda law, loss, served: _search(law, loss, served, tokens=_swapped),
    "You returned (D, N): the order asked for is (N, D).":
        lambda law, loss, served: _reference(law, loss, served)[::-1],
}  # fmt: skip


def cheapest_to_serve(fn: Callable[[Law, float, float], Answer]) -> CheckReport:
    """Check fn(law, loss, served) -> (N, D): equally good models, the cheapest over its life."""
    cases = [
        (besiroglu_2024(), 2.1, 2e12),
        (besiroglu_2024(), 2.4, 1e13),
        (hoffmann_2022(), 2.0, 5e12),
        (Law(E=1.0, A=10.0, a=0.5, B=30.0, b=0.6), 2.0, 3e3),
    ]

    def compare(got: object, want: Answer) -> bool:
        n, d = got
        return abs(n / want[0] - 1) < 0.01 and abs(d / want[1] - 1) < 0.03

    return run_check("cheapest to train and serve", fn, cases, _reference, MISTAKES, compare)
