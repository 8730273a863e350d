"""What a class's results say about the exercises: difficulty, discrimination, misconceptions."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.grading.outcome import Graded, Result

BINS = 10


@dataclass(frozen=True, kw_only=True)
class Item:
    """One exercise in one class.

    difficulty: the mean share of its points, so 1 is easy (test theory calls this the p-value).
    discrimination: point-biserial correlation of passing it with the share of all other points;
    None where everyone, or nobody, passed, or where there is no other exercise.
    """

    exercise: str
    tried: int
    passed: int
    difficulty: float
    discrimination: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Look:
    """One reason to look at a submission by hand."""

    student: str
    exercise: str
    why: str


def share(result: Result) -> float:
    """Points as a share of what could be had, from 0 to 1."""
    return result.points / result.out_of if result.out_of else 0.0


def point_biserial(passed: Sequence[bool], score: Sequence[float]) -> float | None:
    """Pearson's correlation of a yes/no with a number:

        r = (mean of the yes - mean of the no) / s * sqrt(p q),   s the population's deviation

    p and q are the shares of yes and no. None where either is missing, or all numbers are equal.
    """
    if len(passed) != len(score):
        raise ValueError(f"{len(passed)} answers and {len(score)} scores, expected as many")
    yes = [s for ok, s in zip(passed, score, strict=True) if ok]
    no = [s for ok, s in zip(passed, score, strict=True) if not ok]
    if not yes or not no:
        return None
    mean = sum(score) / len(score)
    spread = math.sqrt(sum((s - mean) ** 2 for s in score) / len(score))
    if spread < 1e-12:
        return None
    p = len(yes) / len(score)
    return (sum(yes) / len(yes) - sum(no) / len(no)) / spread * math.sqrt(p * (1 - p))


def items(results: Sequence[Result], exercises: Sequence[str]) -> list[Item]:
    """Each exercise, over those who were graded on it."""
    return [_item(name, results) for name in exercises]


def _item(name: str, results: Sequence[Result]) -> Item:
    rows: list[tuple[Graded, float]] = []
    others = 0
    for result in results:
        for one in result.graded:
            if one.exercise == name:
                rest = result.out_of - one.out_of
                others += rest
                rows.append((one, (result.points - one.points) / rest if rest else 0.0))
    passed = [one.status == "passed" for one, _ in rows]
    rest_scores = [rest for _, rest in rows]
    return Item(
        exercise=name,
        tried=sum(one.status != "not attempted" for one, _ in rows),
        passed=sum(passed),
        difficulty=_mean([one.points / one.out_of if one.out_of else 0.0 for one, _ in rows]),
        discrimination=point_biserial(passed, rest_scores) if others else None,
        seconds=_mean([one.seconds for one, _ in rows if one.status != "not attempted"]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def distribution(results: Sequence[Result]) -> list[int]:
    """How many have 0 to 10 % of the points, 10 to 20 %, …; full marks fall into the last bin."""
    counts = [0] * BINS
    for result in results:
        counts[min(BINS - 1, int(share(result) * BINS + 1e-9))] += 1
    return counts


def misconceptions(results: Sequence[Result]) -> list[tuple[str, str, int]]:
    """(exercise, sentence, how many students), the commonest first."""
    counts = Counter((g.exercise, g.mistake) for r in results for g in r.graded if g.mistake)
    return [(exercise, said, count) for (exercise, said), count in counts.most_common()]


def endings(results: Sequence[Result]) -> Counter:
    """How answers ended: status -> how many."""
    return Counter(g.status for r in results for g in r.graded)


def to_look_at(results: Sequence[Result]) -> list[Look]:
    """Whom somebody should look at, and why."""
    looks = [
        Look(student=r.student, exercise=g.exercise, why=g.review)
        for r in results
        for g in r.graded
        if g.review
    ]
    for result in results:
        looks += [Look(student=result.student, exercise="", why=said) for said in result.problems]
    return looks
