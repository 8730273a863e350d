"""An exam: the strict verifier's marks, and accuracies with Wilson's interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

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

    def __str__(self) -> str:
        return f"{self.rate:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Mark:
    """A question with the reply it got and the verifier's decision."""

    question: Question
    reply: str
    correct: bool
    reason: str


def wilson(correct: int, n: int) -> Accuracy:
    """The Wilson score interval of a proportion, with z for 95 %.

        centre = (p + z²/2n) / (1 + z²/n)
        half   = z √(p(1−p)/n + z²/4n²) / (1 + z²/n)

    Unlike `p ± z √(p(1−p)/n)` it stays inside [0, 1] and does not collapse to zero width at
    p = 0 or 1. Source: Wilson (1927), "Probable inference, the law of succession, and
    statistical inference", JASA 22.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"need 0 <= correct <= n and n >= 1, got correct={correct}, n={n}")
    z = NormalDist().inv_cdf(0.975)
    p = correct / n
    shrink = 1 + z**2 / n
    centre = (p + z**2 / (2 * n)) / shrink
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / shrink
    # at 0 and n the ends are exactly 0 and 1; rounding would miss them
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return Accuracy(correct, n, p, low, high)


def mark(world: World, questions: Sequence[Question], replies: Sequence[str]) -> list[Mark]:
    """The strict verifier's decision on each reply, with its reason."""
    if len(questions) != len(replies):
        raise ValueError(f"{len(questions)} questions but {len(replies)} replies")
    marks = []
    for question, reply in zip(questions, replies, strict=True):
        verdict = world.verify(question, reply)
        marks.append(Mark(question, reply, verdict.correct, verdict.reason))
    return marks


def accuracy(marks: Sequence[Mark]) -> Accuracy:
    """Of all marks together, whatever the kind."""
    return wilson(sum(m.correct for m in marks), len(marks))


def by_kind(marks: Sequence[Mark]) -> dict[str, Accuracy]:
    """The accuracy on each kind of question that was asked."""
    kinds = dict.fromkeys(m.question.kind for m in marks)
    return {kind: accuracy([m for m in marks if m.question.kind == kind]) for kind in kinds}


def exam(
    world: World, questions: Sequence[Question], replies: Sequence[str]
) -> dict[str, Accuracy]:
    """Mark the replies; the accuracy on each kind that was asked."""
    return by_kind(mark(world, questions, replies))
