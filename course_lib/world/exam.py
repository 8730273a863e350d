"""Accuracy by kind of question, with Wilson's interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from course_lib.world.questions import Question
from course_lib.world.world import World


@dataclass(frozen=True)
class Accuracy:
    """`correct` of `n`, with an interval that covers the true rate 95 % of the time."""

    correct: int
    n: int
    rate: float
    low: float
    high: float


def wilson(correct: int, n: int, z: float = 1.959964) -> Accuracy:
    """(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)   (Wilson 1927)"""
    if not 0 <= correct <= n or n == 0:
        raise ValueError(f"need 0 <= correct <= n and n > 0, not {correct} of {n}")
    p = correct / n
    middle = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Accuracy(
        correct, n, p, max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)
    )


def exam(
    world: World, questions: Sequence[Question], replies: Sequence[str]
) -> dict[str, Accuracy]:
    """Mark `replies` with the strict verifier; accuracy for each kind that was asked."""
    if len(questions) != len(replies):
        raise ValueError(f"{len(questions)} questions but {len(replies)} replies")
    marks: dict[str, list[bool]] = {}
    for question, reply in zip(questions, replies, strict=True):
        marks.setdefault(question.kind, []).append(world.verify(question, reply).correct)
    return {kind: wilson(sum(right), len(right)) for kind, right in marks.items()}
