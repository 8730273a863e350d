"""Instant checks of the scaling chapter."""

from collections.abc import Callable

from course_lib.checks._report import CheckReport, run_check
from course_lib.checks.scaling._huber import HUBER_MISTAKES, huber_objective  # noqa: F401
from course_lib.checks.scaling._isoflop import ISOFLOP_MISTAKES, isoflop  # noqa: F401
from course_lib.checks.scaling._serving_optimum import cheapest_to_serve  # noqa: F401
from course_lib.scaling.fit import Law
from course_lib.scaling.plan import besiroglu_2024, compute_optimal, hoffmann_2022


def _reference(law: Law, flops: float) -> tuple[float, float]:
    return tuple(compute_optimal(law, flops))


def _forgot_six(law: Law, flops: float) -> tuple[float, float]:
    return tuple(compute_optimal(law, 6 * flops))


def _swapped_exponents(law: Law, flops: float) -> tuple[float, float]:
    total = law.a + law.b
    g = (law.a * law.A / (law.b * law.B)) ** (1 / total)
    n = g * (flops / 6) ** (law.a / total)
    return n, flops / 6 / n


def _no_prefactor(law: Law, flops: float) -> tuple[float, float]:
    n = (flops / 6) ** (law.b / (law.a + law.b))
    return n, flops / 6 / n


def _no_slopes_in_prefactor(law: Law, flops: float) -> tuple[float, float]:
    total = law.a + law.b
    n = (law.A / law.B) ** (1 / total) * (flops / 6) ** (law.b / total)
    return n, flops / 6 / n


def _equal_split(law: Law, flops: float) -> tuple[float, float]:
    return (flops / 6) ** 0.5, (flops / 6) ** 0.5


def _twenty_tokens(law: Law, flops: float) -> tuple[float, float]:
    n = (flops / 120) ** 0.5
    return n, 20 * n


def _other_way_round(law: Law, flops: float) -> tuple[float, float]:
    return _reference(law, flops)[::-1]


MISTAKES = {
    "Your N and D multiply to C, not to C/6: each weight costs six FLOPs a token (2 forward, 4 "
    "backward).": _forgot_six,
    "The exponents are swapped. N grows as C^(b/(a+b)): the faster *data* pays off (large b), the "
    "sooner its term is small, and the more is left for parameters.": _swapped_exponents,
    "The prefactor G is missing: the slopes are right, the level isn't.": _no_prefactor,
    "Your G compares A with B. What is equal at the optimum are the *slopes*: aA/N^a = bB/D^b, so "
    "G holds aA / bB.": _no_slopes_in_prefactor,
    "You split the budget evenly, whatever the law: N = D only if the law says so.": _equal_split,
    "You used 20 tokens a parameter. That is what one law says at one budget; this law may say "
    "something else.": _twenty_tokens,
    "You returned (D, N): the order asked for is (N, D).": _other_way_round,
}


def compute_optimal_split(fn: Callable[[Law, float], tuple[float, float]]) -> CheckReport:
    """Check a function of (law, flops) that returns the (N, D) of least loss with 6ND = flops."""
    cases = [
        (hoffmann_2022(), 5.76e23),
        (besiroglu_2024(), 1e21),
        (Law(E=1.4, A=17.0, a=0.5, B=620.0, b=0.66), 3e10),
        (Law(E=0.0, A=5.0, a=1.0, B=5.0, b=1.0), 600.0),
    ]

    def compare(got: object, want: tuple[float, float]) -> bool:
        n, d = got
        return abs(n / want[0] - 1) < 1e-3 and abs(d / want[1] - 1) < 1e-3

    return run_check("the compute-optimal split", fn, cases, _reference, MISTAKES, compare)
