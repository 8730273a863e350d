"""The split of a budget between parameters and tokens."""

from collections.abc import Callable
from functools import partial
from random import Random

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.scaling._laws import draw, log_uniform
from course_lib.checks.values import close
from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.plan import besiroglu_2024, hoffmann_2022
from course_lib.scaling.planning.plan import compute_optimal as best_split

near = partial(close, rtol=1e-3)


def _cases(seed: int) -> list[Case]:
    random = Random(seed)
    toy = draw(random)
    budgets = [log_uniform(random, 1e18, 1e24) for _ in range(3)]
    even = {**draw(random), "A": 7.0, "a": 0.4, "B": 7.0, "b": 0.4}
    return [
        Case("a toy law, a small budget", (toy, log_uniform(random, 1e9, 1e12))),
        Case("near the law of Hoffmann et al.", (draw(random, hoffmann_2022()), budgets[0])),
        Case("near the law of Besiroglu et al.", (draw(random, besiroglu_2024()), budgets[1])),
        Case("the toy law again, a large budget", (toy, budgets[2])),
        Case("a law with E = 0", ({**draw(random), "E": 0.0}, log_uniform(random, 1e12, 1e20))),
        Case("both terms alike", (even, log_uniform(random, 1e3, 1e6)), edge=True),
    ]


def _split(law: dict, flops: float, *, COST: int) -> tuple[float, float]:
    """The library's split, where a weight and token cost COST FLOPs in place of six."""
    return tuple(best_split(Law(**law), flops * 6 / COST))


def _powers(
    law: dict,
    flops: float,
    COST: int,
    exponent: Callable = lambda a, b: b / (a + b),
    prefactor: Callable = lambda law: law["a"] * law["A"] / (law["b"] * law["B"]),
) -> tuple[float, float]:
    """N = G^(1/(a+b)) (C/COST)^exponent with one thing to get wrong."""
    a, b = law["a"], law["b"]
    n = prefactor(law) ** (1 / (a + b)) * (flops / COST) ** exponent(a, b)
    return n, flops / COST / n


def _twenty_tokens(law: dict, flops: float, *, COST: int) -> tuple[float, float]:
    n = (flops / COST / 20) ** 0.5
    return n, 20 * n


_MISTAKES = {
    "Your N and D multiply to C, not to C/COST: each weight costs COST FLOPs a token. With plain "
    "training that is six, 2 forward and 4 backward.": lambda law, flops, *, COST: _split(
        law, flops, COST=1
    ),
    "You charge 2 FLOPs a weight and token: that is the forward pass alone. "
    "Training costs COST.": lambda law, flops, *, COST: _split(law, flops, COST=2),
    "The exponents are swapped. N grows as C^(b/(a+b)): the faster *data* pays off (large b), the "
    "sooner its term is small, and the more is left for parameters.": lambda law, flops, *, COST: (
        _powers(law, flops, COST, lambda a, b: a / (a + b))
    ),
    "The prefactor G is missing: the slopes are right, the "
    "level isn't.": lambda law, flops, *, COST: _powers(
        law, flops, COST, prefactor=lambda law: 1.0
    ),
    "Your G compares A with B. What is equal at the optimum are the *slopes*: aA/N^a = bB/D^b, so "
    "G holds aA / bB.": lambda law, flops, *, COST: _powers(
        law, flops, COST, prefactor=lambda law: law["A"] / law["B"]
    ),
    "Your G is upside down. N is large where *its* term is hard to bring down: aA "
    "above, bB below.": lambda law, flops, *, COST: _powers(
        law, flops, COST, prefactor=lambda law: law["b"] * law["B"] / (law["a"] * law["A"])
    ),
    "You split the budget evenly, whatever the law: N = D only if the "
    "law says so.": lambda law, flops, *, COST: (
        (flops / COST) ** 0.5,
        (flops / COST) ** 0.5,
    ),
    "You used 20 tokens a parameter. That is what one law says at one budget; this law may say "
    "something else.": _twenty_tokens,
    "You returned (D, N): the order asked for is (N, D).": lambda law, flops, *, COST: _split(
        law, flops, COST=COST
    )[::-1],
}


def _moved_by_e(answer: Callable, seed: int) -> str | None:
    law = draw(Random(seed))
    before, after = answer(dict(law), 1e18), answer({**law, "E": law["E"] + 1}, 1e18)
    if near(after, before):
        return None
    return "With a larger E your split is another: what no budget can buy has no say in it."


def _other_names(answer: Callable, seed: int) -> str | None:
    law = draw(Random(seed))
    turned = {"E": law["E"], "A": law["B"], "a": law["b"], "B": law["A"], "b": law["a"]}
    n, d = answer(law, 1e18)
    if near(list(answer(turned, 1e18)), [d, n]):
        return None
    return "With the two terms exchanged, N and D should exchange too. Yours don't."


compute_optimal = Exercise(
    name="scaling/compute_optimal",
    title="The compute-optimal split",
    answer="my_split",
    kind="warm-up",
    minutes=15,
    points=8,
    cases=_cases,
    reference=_split,
    mistakes=_MISTAKES,
    properties=(
        Property("the irreducible loss has no say", _moved_by_e),
        Property("exchanging the terms exchanges N and D", _other_names),
    ),
    compare=near,
    constants={"COST": (6, 8, 7)},
)
