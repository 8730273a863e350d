"""pass@k: is one of k samples right? Estimated from n samples without bias."""

import math
import random
from collections.abc import Callable

from course_lib.checks.exercise import Case, Exercise

Counts = list[tuple[int, int]]


def _cases(seed: int) -> list[Case]:
    draw = random.Random(seed)

    def problems(count: int, n: int, most: int | None = None) -> Counts:
        return [(n, draw.randint(1, most or n // 2)) for _ in range(count)]

    n = draw.randint(8, 12)
    other = [(m, draw.randint(1, m // 2)) for m in draw.sample(range(10, 30), 5)]
    cases = [
        Case("one problem", (problems(1, n), 3)),
        Case("five problems", (problems(5, 20), draw.randint(4, 6))),
        Case("some are never solved", (problems(3, n) + [(n, 0)] * 2, 3)),
        Case("other numbers of samples", (other, draw.randint(2, 5))),
        Case("fewer wrong samples than k", ([(10, 8), *problems(2, 10)], draw.randint(3, 6))),
        Case("thousands of samples", (problems(3, draw.randint(6000, 9000), 30), 200)),
    ]
    return [
        *cases,
        Case("k is 1", (problems(4, 16), 1), edge=True),
        Case("k is all samples", ([(6, 1), (6, 0), (6, draw.randint(2, 6))], 6), edge=True),
        Case("k is more than the samples", ([(20, 3), (4, draw.randint(1, 4))], 5), edge=True),
    ]


def _per_problem(one: Callable[[int, int, int], float]) -> Callable[[Counts, int], float]:
    """The mean over problems of an estimate for each."""

    def pass_at_k(counts: Counts, k: int) -> float:
        _refuse(counts, k)
        return sum(one(n, c, k) for n, c in counts) / len(counts)

    return pass_at_k


def _refuse(counts: Counts, k: int) -> None:
    if k > min(n for n, _ in counts):
        raise ValueError(f"k={k}, but a problem has only {min(n for n, _ in counts)} samples")


def _unbiased(n: int, c: int, k: int) -> float:
    """1 - C(n - c, k) / C(n, k), without a large number on the way."""
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1 - k / i for i in range(n - c + 1, n + 1))


def _right(counts: Counts, k: int) -> float:
    return _per_problem(_unbiased)(counts, k)


def _pooled(counts: Counts, k: int) -> float:
    _refuse(counts, k)
    return _unbiased(sum(n for n, _ in counts), sum(c for _, c in counts), k)


def _one_early(n: int, c: int, k: int) -> float:
    return 1.0 if n - c < k else 1.0 - math.prod(1 - k / i for i in range(n - c, n))


def _all_k(n: int, c: int, k: int) -> float:
    return 0.0 if c < k else math.comb(c, k) / math.comb(n, k)


_MISTAKES = {
    "1 − (1 − c/n)^k draws with replacement: the same sample may come twice. It is too low, the "
    "more so the nearer k is to n. Count sets of k different samples.": _per_problem(
        lambda n, c, k: 1 - (1 - c / n) ** k
    ),
    "This is c/n, pass@1: k isn't used. A second try helps.": _per_problem(lambda n, c, k: c / n),
    "k·c/n counts a set with two right samples twice, and can pass 1.": _per_problem(
        lambda n, c, k: min(1, k * c / n)
    ),
    "You ask that all k samples are right. One is enough: take one minus the chance that all k are "
    "wrong.": _per_problem(_all_k),
    "This is the chance that all k samples are wrong: take one minus it.": _per_problem(
        lambda n, c, k: 1 - _unbiased(n, c, k)
    ),
    "You put all samples into one pot. A hard problem stays unsolved however many right samples "
    "the easy ones have: estimate each problem, then take the mean.": _pooled,
    "You ask whether any of the n samples is right: that is pass@n. Only k of them are drawn.": (
        _per_problem(lambda n, c, k: float(c > 0))
    ),
    "Your product begins and ends one too early: it runs over n − c + 1, …, n. Python's `range` "
    "leaves its end out.": _per_problem(_one_early),
    "Where k is more than the samples, nothing can be estimated: raise a ValueError naming k.": (
        lambda counts, k: sum(_unbiased(n, c, k) for n, c in counts) / len(counts)
    ),
}

pass_at_k = Exercise(
    name="evaluation/pass_at_k",
    title="pass@k",
    answer="my_pass_at_k",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
)
