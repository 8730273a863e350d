"""Who wrote much the same program as whom, or as the published solution.

Two answers are alike where they share fingerprints that few others have. Common ones weigh little:
where most of a class writes a line, it's the line that anybody writes. With df of n students having
a fingerprint, another than those compared has it with probability

    p = (df - those compared + 1) / (n - those compared + 4)

as if four more had been seen, one of them with it: a small class can't tell what is common. The
evidence is the sum of -log p over what is shared.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from course_lib.grading.reports.copies.fingerprints import fingerprints
from course_lib.grading.reports.copies.published import Published
from course_lib.grading.reports.tally import Look
from course_lib.grading.reports.words import About

SHARED = 18  # fingerprints in common, about 50 tokens: short answers are alike by themselves
EVIDENCE = 50.0
LIKE = 0.6  # of the weight of the smaller one
SAME, LONG = 0.95, 32  # so long and so alike, it doesn't matter how many others have it
MOST = 400  # fingerprints of one answer that are compared: the smallest, as in a sketch
Prints = frozenset[int]


@dataclass(frozen=True)
class Common:
    """How many of an exercise's students have which fingerprint."""

    counts: Mapping[int, int]
    students: int

    def weight(self, prints: Prints, compared: int) -> float:
        """-log p, summed. compared: how many of those who have them are being compared."""
        others = self.students - compared + 4
        return math.fsum(-math.log((self.counts[f] - compared + 1) / others) for f in prints)


def near_copies(
    sources: Mapping[str, Mapping[str, str]],
    published: Mapping[str, Published],
    about: About = About(),  # noqa: B008  (frozen)
) -> list[Look]:
    """Whom to read beside whom; a group is named once. sources: student -> exercise -> source."""
    by_exercise: dict[str, dict[str, str]] = {}
    for student, answers in sources.items():
        for exercise, source in answers.items():
            if source.strip():
                by_exercise.setdefault(exercise, {})[student] = source
    looks = []
    for exercise, answers in by_exercise.items():
        looks += _of_one(exercise, answers, published.get(exercise, Published()), about)
    return looks


def _of_one(
    exercise: str, answers: Mapping[str, str], known: Published, about: About
) -> list[Look]:
    prints = {s: _prints(source, known.template) for s, source in answers.items()}
    common = Common(Counter(f for held in prints.values() for f in held), len(prints))
    solution = _prints(known.solution, known.template, most=None)
    from_book = {s: likeness(held, solution, common, 1) for s, held in prints.items()}
    looks = [
        Look(student=s, exercise=exercise, why=f"{share:.0%} of it is in the published solution")
        for s, share in from_book.items()
        if share
    ]
    pairs = {
        (a, b): share
        for a, b in combinations(prints, 2)
        if not (from_book[a] and from_book[b])
        and (share := likeness(prints[a], prints[b], common, 2))
    }
    for group in _groups(pairs):
        shares = [share for pair, share in pairs.items() if pair[0] in group]
        others = ", ".join(about.who(s) for s in group[1:])
        least = f"at least {min(shares):.0%}" if len(shares) > 1 else f"{shares[0]:.0%}"
        why = f"much the same program as {others}: {least} is shared, names and comments aside"
        looks.append(Look(student=group[0], exercise=exercise, why=why))
    return looks


def _prints(source: str, template: str, most: int | None = MOST) -> Prints:
    found = fingerprints(source, template)
    return found if most is None or len(found) <= most else frozenset(sorted(found)[:most])


def likeness(one: Prints, other: Prints, common: Common, compared: int) -> float:
    """The share of the smaller one that both have, by weight; 0 where that says nothing.

    compared: how many of the two are students'. A published solution is large: of it, what the
    student wrote counts.
    """
    shared = one & other
    if len(shared) < SHARED:
        return 0.0
    smaller = one if compared == 1 or len(one) <= len(other) else other
    plain = len(shared) / len(smaller)
    if plain >= SAME and len(shared) >= LONG:
        return plain
    found = common.weight(shared, compared)
    share = found / (found + common.weight(smaller - shared, 1))
    return share if found >= EVIDENCE and share >= LIKE else 0.0


def _groups(pairs: Mapping[tuple[str, str], float]) -> list[list[str]]:
    """Students that hang together by pairs."""
    group: dict[str, list[str]] = {}
    for a, b in pairs:
        one, other = group.setdefault(a, [a]), group.setdefault(b, [b])
        if one is not other:
            one += other
            group |= dict.fromkeys(other, one)
    return list({id(members): members for members in group.values()}.values())
