"""How many questions tell two models apart: predicted by a formula, measured by many exams."""

import math
import random
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from course_lib.checks.exercise import Case, Exercise

EXAMS = 20_000
Z = NormalDist().inv_cdf
APART = 0.03  # of the share of exams: what 20,000 of them can't blur
FACTOR = 1.25  # of the number of questions: where nearly all exams agree, shares don't tell


def _cases(seed: int) -> list[Case]:
    draw = random.Random(seed)
    sizes = (  # a range of the gap, of the disagreement over the gap, and of the power
        ("a large difference", (0.06, 0.1), (2.5, 3.5), (0.75, 0.85)),
        ("a small difference", (0.01, 0.02), (6, 12), (0.75, 0.85)),
        ("models that seldom disagree", (0.03, 0.05), (1.5, 2), (0.75, 0.9)),
        ("models that often disagree", (0.03, 0.05), (8, 10), (0.75, 0.9)),
        ("a gap that is most of the disagreement", (0.2, 0.25), (1.2, 1.4), (0.75, 0.85)),
        ("a cautious examiner", (0.02, 0.06), (3, 8), (0.93, 0.96)),
        ("a bold examiner", (0.02, 0.06), (3, 8), (0.3, 0.4)),
    )
    cases = []
    for what, gaps, ratios, powers in sizes:
        gap = round(draw.uniform(*gaps), 3)
        disagreement = round(gap * draw.uniform(*ratios), 3)
        cases.append(Case(what, (gap, disagreement, round(draw.uniform(*powers), 2))))
    return cases


def measured_power(n: int, gap: float, disagreement: float) -> float:
    """The share of exams of n questions in which a paired z-test at 5 % sees the difference.

    A question is right in the second model alone with probability (disagreement + gap) / 2, in the
    first alone with (disagreement - gap) / 2.
    """
    generator = np.random.default_rng(n)
    chances = [(disagreement + gap) / 2, (disagreement - gap) / 2, 1 - disagreement]
    second, first, _ = generator.multinomial(n, chances, EXAMS).T
    mean = (second - first) / n
    error = np.sqrt(np.maximum((second + first) / n - mean**2, 1e-12) / n)
    return float((np.abs(mean) > Z(0.975) * error).mean())


def _examined(answer: Callable[[float, float, float], int]) -> Callable:
    """What comes of the number of questions that the answer asks for."""

    def examine(gap: float, disagreement: float, power: float) -> dict[str, Any]:
        n = answer(gap, disagreement, power)
        n = n.item() if hasattr(n, "item") else n
        whole = isinstance(n, int) or isinstance(n, float) and n == math.floor(n)
        if isinstance(n, bool) or not whole or not 2 <= n < 10**12:
            return {"exams that see it": "none: ask for a whole number, 2 or more", "questions": n}
        share = measured_power(int(n), gap, disagreement)
        return {"exams that see it": round(share, 3), "questions": int(n)}

    return examine


def _alike(got: Any, want: Any) -> bool:
    """Nearly the same share of exams, and roughly the same number of questions."""
    if not all(isinstance(side, dict) for side in (got, want)):
        return False
    shares = [side["exams that see it"] for side in (got, want)]
    if not all(isinstance(share, float) for share in shares):
        return got == want
    ratio = got["questions"] / want["questions"]
    return abs(shares[0] - shares[1]) <= APART and 1 / FACTOR <= ratio <= FACTOR


def _questions(gap: float, disagreement: float, power: float) -> int:
    """(z_{1 - 0.05/2} + z_power)^2 (disagreement - gap^2) / gap^2"""
    return math.ceil(((Z(0.975) + Z(power)) / gap) ** 2 * (disagreement - gap**2))


def _wrong(
    *,
    z: Callable[[float], float] = lambda power: Z(0.975) + Z(power),
    variance: Callable[[float, float], float] = lambda gap, d: d - gap**2,
    over: Callable[[float], float] = lambda gap: gap**2,
) -> Callable[[float, float, float], int]:
    return lambda gap, d, power: max(2, math.ceil(z(power) ** 2 * variance(gap, d) / over(gap)))


_MISTAKES = {
    "You forget the power: with the difference just at 1.96 standard errors, half of the exams "
    "fall short of it. Add z_power before you square.": _wrong(z=lambda power: Z(0.975)),
    "You test one side only: z at 0.95 is 1.64. A test at 5 % for both directions leaves 2.5 % on "
    "each side, z = 1.96.": _wrong(z=lambda power: Z(0.95) + Z(power)),
    "You square the two z and add them. They are distances on one line: add first, then square.": (
        _wrong(z=lambda power: math.hypot(Z(0.975), Z(power)))
    ),
    "You take z_power from the wrong tail, so it is subtracted: more power must cost more "
    "questions.": _wrong(z=lambda power: Z(0.975) - Z(power)),
    "You divide by the gap, not by its square. Half the difference needs four times the "
    "questions.": _wrong(over=lambda gap: gap),
    "You take 2 · ¼ for the variance: that is two models on different questions, at their worst. "
    "On the same questions only those count on which they disagree.": _wrong(
        variance=lambda gap, d: 0.5
    ),
    "You leave out g². Where nearly all disputed questions go one way, the differences scatter "
    "less than their mean square says.": _wrong(variance=lambda gap, d: d),
    "You take the root of the variance. The number of questions goes with the variance itself.": (
        _wrong(variance=lambda gap, d: math.sqrt(d - gap**2))
    ),
    "The disagreement comes in twice. It is the mean square of the differences, which are −1, 0 "
    "or 1: don't square it, nor count the disputed questions alone.": _wrong(
        variance=lambda gap, d: (d - gap**2) * d
    ),
}

questions_needed = Exercise(
    name="evaluation/questions_needed",
    title="How long must an exam be?",
    answer="my_questions_needed",
    kind="predict",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_questions,
    mistakes=_MISTAKES,
    compare=_alike,
    harness=_examined,
)
