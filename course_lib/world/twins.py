"""How much of a held-out question stands in the training text already, under other words?

The split keeps a story with all its retellings by other people on one side (`splits.py`). A story
that differs in its things alone may stand on the other side: its *twin*. So the leak of the split
is 0 by its own definition, and not 0 by this stricter one; both belong beside every accuracy on
held-out stories, and so does the accuracy with and without a twin.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from course_lib.world.exam import Accuracy, Mark, wilson
from course_lib.world.questions import Question
from course_lib.world.splits import skeleton
from course_lib.world.village import Village

KINDS = ("where", "count", "sum")
_WORKED = re.compile(r"(\d+ (?:plus|minus) \d+) is \d+")
_WORD = re.compile(r"[a-z]+")


def outline(village: Village, story: str) -> str:
    """The skeleton of a tale or counting story with things, openings and adjectives blanked too.

    Numbers, rooms and the order of events are left: who knows them knows the answer.
    """
    shape = skeleton(story, village.name_set)
    for opening in village.words.openings:
        shape = shape.replace(opening, "_", 1) if shape.startswith(opening) else shape
    words = village.words
    blanked = {*words.objects, *words.adjectives, *words.things}
    return _WORD.sub(lambda m: "_" if m[0] in blanked else m[0], shape)


@dataclass(frozen=True)
class Seen:
    """What the training text holds: outlines of its stories, and sums that they work out."""

    village: Village
    outlines: frozenset[str]
    sums: Counter

    @classmethod
    def of(cls, village: Village, texts: Iterable[str]) -> "Seen":
        outlines: set[str] = set()
        sums: Counter = Counter()
        for text in texts:
            if "?" not in text or text.startswith("Question:"):
                continue  # a biography or a quiz
            outlines.add(outline(village, text))
            sums.update(_WORKED.findall(text))
        return cls(village, frozenset(outlines), sums)

    def has_twin(self, question: Question) -> bool:
        """Does the story stand in the training text with other people and things, or is the sum
        worked out there? Raises ValueError for kinds of which that can't be asked."""
        if question.kind not in KINDS:
            raise ValueError(f"kind {question.kind!r} has no twins; use {', '.join(KINDS)}")
        if question.kind == "sum":
            return question.prompt.removeprefix("What is ").removesuffix("?") in self.sums
        return outline(self.village, question.prompt) in self.outlines


@dataclass(frozen=True)
class TwinGap:
    """Accuracy on questions with and without a twin. `p`: how often a random half of that size,
    drawn within stories of equally many events, is as far ahead (None: one of the two is empty)."""

    twin: Accuracy | None
    alone: Accuracy | None
    p: float | None


def twin_gap(seen: Seen, marks: Sequence[Mark], shuffles: int = 2_000) -> TwinGap:
    """Is a question with a twin answered better, at equal numbers of events?

    A story with few events has a twin more often and is easier, so labels are shuffled only among
    questions of equally many events (a permutation test, one-sided).
    """
    twins = [seen.has_twin(m.question) for m in marks]
    sides = [
        [m.correct for m, t in zip(marks, twins, strict=True) if t is s] for s in (True, False)
    ]
    twin, alone = (wilson(sum(side), len(side)) if side else None for side in sides)
    if twin is None or alone is None:
        return TwinGap(twin, alone, None)
    strata: dict[int, tuple[list[bool], int]] = {}
    for m, t in zip(marks, twins, strict=True):
        right, n = strata.get(m.question.steps, ([], 0))
        strata[m.question.steps] = ([*right, m.correct], n + t)
    rng, as_far = Random(0), 0
    for _ in range(shuffles):
        drawn = sum(sum(rng.sample(right, n)) for right, n in strata.values())
        as_far += drawn >= twin.correct
    return TwinGap(twin, alone, (as_far + 1) / (shuffles + 1))


def twin_rows(seen: Seen, marks: Sequence[Mark]) -> list[dict[str, str]]:
    """A table's rows, one a kind that has twins: how many, and the accuracy with and without."""
    rows = []
    for kind in KINDS:
        some = [m for m in marks if m.question.kind == kind]
        if not some:
            continue
        gap = twin_gap(seen, some)
        n = gap.twin.n if gap.twin else 0
        rows.append(
            {
                "kind": kind,
                "with a twin in train": f"{n} of {len(some)}",
                "right, with": str(gap.twin or "–"),
                "right, without": str(gap.alone or "–"),
                "p at equal steps": "–" if gap.p is None else f"{gap.p:.3f}",
            }
        )
    return rows
