"""How sure can you be of an accuracy? Intervals for one model, tests for two.

Everything here works on plain lists of booleans: `True` where the model answered a question
correctly, in the order of the questions. Two models are always compared on the *same*
questions, pair by pair, because that removes the luck of the draw of the questions.

What this version does not do: correct for many comparisons, or for questions that depend on
each other (several questions about one story); both make true intervals wider than these.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

Results = Sequence[bool | int | float]


@dataclass(frozen=True)
class Interval:
    """An estimate with the range that the data cannot rule out."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class McNemar:
    """Only the questions on which two models differ carry evidence about which is better."""

    only_first: int
    only_second: int
    p_value: float


def wald(correct: int, n: int, *, confidence: float = 0.95) -> Interval:
    """The textbook interval p ± z √(p(1−p)/n), here only to be compared with `world.wilson`."""
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"need 0 <= correct <= n and n >= 1, got correct={correct}, n={n}")
    z = NormalDist().inv_cdf(0.5 + _level(confidence) / 2)
    p = correct / n
    half = z * math.sqrt(p * (1 - p) / n)
    return Interval(p, p - half, p + half)


def paired_bootstrap(
    first: Results,
    second: Results,
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap of mean(second) − mean(first) over shared questions.

    Each resample draws n questions with replacement and keeps both models' results on every
    drawn question together. Source: Efron & Tibshirani (1993), "An Introduction to the
    Bootstrap", chapter 13; for language models, Koehn (2004).
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    difference = _paired(first, second)
    generator = np.random.default_rng(seed)
    n = len(difference)
    means = np.empty(resamples)
    for start in range(0, resamples, 1000):  # in pieces, so that memory stays at 1000 × n
        rows = min(1000, resamples - start)
        picks = generator.integers(0, n, (rows, n))
        means[start : start + rows] = difference[picks].mean(1)
    tail = 100 * (1 - _level(confidence)) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(difference.mean()), float(low), float(high))


def mcnemar(first: Results, second: Results) -> McNemar:
    """McNemar's exact test: are the two models' disagreements split evenly?

    With b questions that only the first got right and c that only the second did, under "no
    difference" b ~ Binomial(b + c, ½); the p-value is the two-sided tail,

        p = min(1, 2 Σ_{i ≤ min(b, c)} C(b + c, i) / 2^(b + c)).

    Source: McNemar (1947), Psychometrika 12; the exact form is the sign test.
    """
    difference = _paired(first, second)
    b, c = int((difference < 0).sum()), int((difference > 0).sum())
    tail = sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c)
    return McNemar(b, c, min(1.0, 2 * tail))


def questions_needed(
    gap: float, *, disagreement: float, confidence: float = 0.95, power: float = 0.8
) -> int:
    """How many shared questions show a true difference of `gap` in accuracy.

    `disagreement` is the share of questions on which exactly one of the two models is right;
    the paired difference then has variance disagreement − gap², and

        n = (z_{1−α/2} + z_{power})² (disagreement − gap²) / gap².

    Source: the normal approximation to McNemar's test, e.g. Miller (2024), "Adding Error Bars
    to Evals", section 5.
    """
    if not 0 < gap <= disagreement <= 1:
        raise ValueError(f"need 0 < gap <= disagreement <= 1, got {gap} and {disagreement}")
    z = NormalDist().inv_cdf(0.5 + _level(confidence) / 2) + NormalDist().inv_cdf(power)
    return math.ceil(z**2 * (disagreement - gap**2) / gap**2)


def _level(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return confidence


def _paired(first: Results, second: Results) -> np.ndarray:
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"paired results need the same questions, got {len(first)} and {len(second)}"
        )
    return np.asarray(second, float) - np.asarray(first, float)
