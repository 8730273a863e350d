"""The model that is cheapest to train and to serve."""

import math
from collections.abc import Callable
from functools import partial
from random import Random

from scipy.optimize import minimize_scalar

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.scaling._laws import draw
from course_lib.checks.values import close
from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.lifetime import serving_optimal, tokens_for, training_optimal
from course_lib.scaling.planning.plan import besiroglu_2024, hoffmann_2022

near = partial(close, rtol=0.02)  # the cost is flat around its lowest point


def _case(random: Random, around: Law | None, gap: float, share: float) -> tuple:
    """A law, a loss above its E, and tokens served, as a multiple of those that it trains on."""
    law = draw(random, around)
    loss = law["E"] + gap * random.uniform(0.9, 1.1)
    return law, loss, share * random.uniform(0.7, 1.4) * training_optimal(Law(**law), loss).d


def _cases(seed: int) -> list[Case]:
    random = Random(seed)
    return [
        Case("a toy law", _case(random, None, 1.0, 3.0)),
        Case(
            "near Besiroglu et al., served a few times its data",
            _case(random, besiroglu_2024(), 0.3, 4.0),
        ),
        Case("near Besiroglu et al., served far more", _case(random, besiroglu_2024(), 0.5, 40.0)),
        Case("near Hoffmann et al.", _case(random, hoffmann_2022(), 0.3, 8.0)),
        Case("nobody uses it", _case(random, hoffmann_2022(), 0.4, 0.0), edge=True),
    ]


def _reference(law: dict, loss: float, served: float) -> tuple[float, float]:
    best = serving_optimal(Law(**law), loss, served)
    return best.n, best.d


def _search(
    law: dict, loss: float, served: float, *, a_token: float = 2.0, tokens: Callable = tokens_for
) -> tuple[float, float]:
    """The cheapest size by search, with the price of a served token and the tokens to get wrong."""
    law = Law(**law)
    top, bottom = training_optimal(law, loss).n, (law.A / (loss - law.E)) ** (1 / law.a)

    def total(log_n: float) -> float:
        n = math.exp(log_n)
        return math.log(6 * n * tokens(law, n, loss) + a_token * n * served)

    bounds = (math.log(bottom) + 1e-9, math.log(top))
    n = math.exp(
        minimize_scalar(total, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x
    )
    return n, tokens(law, n, loss)


def _training_alone(law: dict, loss: float, served: float) -> tuple[float, float]:
    return tuple(training_optimal(Law(**law), loss))


def _old_tokens(law: dict, loss: float, served: float) -> tuple[float, float]:
    return _reference(law, loss, served)[0], training_optimal(Law(**law), loss).d


def _one_budget(law: dict, loss: float, served: float) -> tuple[float, float]:
    """Least loss for the FLOPs that the training optimum would take: the quality isn't held."""
    law = Law(**law)
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


def _whole_gap(law: dict, loss: float, served: float) -> tuple[float, float]:
    d = (law["B"] / (loss - law["E"])) ** (1 / law["b"])
    return _reference(law, loss, served)[0], d


def _missed_loss(answer: Callable, seed: int) -> str | None:
    law, loss, served = _case(Random(seed), None, 0.8, 5.0)
    n, d = answer(dict(law), loss, served)
    reached = law["E"] + law["A"] * n ** -law["a"] + law["B"] * d ** -law["b"]
    if close(reached, loss, rtol=1e-3):
        return None
    return f"Your model reaches {reached:.4f}. It should reach the loss asked for, {loss:.4f}."


_MISTAKES = {
    "That is the model that is cheapest to train. Each served token costs 2N more, so a smaller "
    "one is cheaper over its life.": _training_alone,
    "You charge 6N for a served token. Six is for training; serving has no "
    "backward pass: 2N.": lambda law, loss, served: _search(law, loss, served, a_token=6.0),
    "You charge N for a served token. Each weight is multiplied "
    "*and* added: 2N.": lambda law, loss, served: _search(law, loss, served, a_token=1.0),
    "Your N is right, your D isn't: a smaller model needs more tokens for the same loss, and you "
    "kept those of the training optimum.": _old_tokens,
    "You held the budget and let the loss go. Here the loss is given, and what it costs is to be "
    "least.": _one_budget,
    "Your D belongs to an endless model: the gap L - E is shared, and A / N^a has taken its part. "
    "D = (B / (L - E - A/N^a))^(1/b).": _whole_gap,
    "You took the root with a. The term of the data is B / D^b, so D = (B "
    "/ gap)^(1/b).": lambda law, loss, served: _search(law, loss, served, tokens=_swapped),
    "You returned (D, N): the order asked for is (N, D).": lambda law, loss, served: _reference(
        law, loss, served
    )[::-1],
}

serving_optimum = Exercise(
    name="scaling/serving_optimum",
    title="The model that is cheapest to train and serve",
    answer="my_model",
    kind="build",
    minutes=40,
    points=12,
    cases=_cases,
    reference=_reference,
    mistakes=_MISTAKES,
    properties=(Property("the loss asked for is reached", _missed_loss),),
    compare=near,
)
