"""A split that leaks: copies of one document on both sides, and sides that change overnight."""

import random
import zlib
from collections.abc import Callable
from itertools import product

from course_lib.checks.exercise import Case, Exercise, Property

Links = list[tuple[str, str]]


def _cases(seed: int) -> list[Case]:
    draw = random.Random(seed)
    sizes = (  # documents, and the sizes of the clusters that copies make of some of them
        ("a few copies", 14, (3, 2, 2), 0.3),
        ("a chain of copies", 16, (5, 2), 0.3),
        ("a cluster of many", 24, (9, 3), 0.25),
        ("a small share for validation", 40, (2, 5, 2, 4), 0.2),
        ("half for validation", 30, (3, 4, 2), 0.5),
    )
    cases = [Case(what, _corpus(draw, *size)) for what, *size in sizes]
    names, _, share = _corpus(draw, 10, (), 0.3)
    return [
        *cases,
        Case("no copies at all", (names, [], share), edge=True),
        Case("an empty corpus", ([], [], share), edge=True),
        Case("nothing for validation", (names, [(names[0], names[1])], 0.0), edge=True),
        Case("a draw that is the share itself", (names, [], _draw_of(sorted(names)[0])), edge=True),
        Case("a link to itself", (names, [(names[2], names[2])], share), edge=True),
    ]


def _corpus(
    draw: random.Random, count: int, clusters: tuple[int, ...], share: float
) -> tuple[list[str], Links, float]:
    """Names in any order, and links such that each fault puts some document on another side."""
    while True:
        names = [
            f"{draw.choice(('web', 'book', 'code'))}-{n:03}"
            for n in draw.sample(range(1000), count)
        ]
        rest, links = list(names), []
        for size in clusters:
            members, rest = rest[:size], rest[size:]
            draw.shuffle(members)
            links += list(zip(members, members[1:], strict=False))  # a chain: ends aren't linked
        draw.shuffle(names)
        draw.shuffle(links)
        links = [link if draw.random() < 0.5 else link[::-1] for link in links]
        right = _split(names, links, share)
        rivals = [_wrong(**change)(names, links, share) for change in CHANGES if clusters]
        if 0 < sum(right) < count and right not in rivals:
            return names, links, share


def _roots(names: list[str], links: Links, reach: str = "all") -> dict[str, list[str]]:
    """Each document's cluster. reach: "all" follows links of links, "one" doesn't, "none"."""
    found = {name: {name} for name in names}
    if reach == "one":
        for a, b in links:
            found[a].add(b)
            found[b].add(a)
    if reach == "all":
        for a, b in links:
            both = found[a] | found[b]
            found.update(dict.fromkeys(both, both))
    return {name: sorted(members) for name, members in found.items()}


def _draw_of(name: str) -> float:
    """A number from 0 to 1 that belongs to a name, on every machine and every day."""
    return zlib.crc32(name.encode()) / 2**32


def _split(names: list[str], links: Links, share: float) -> list[bool]:
    """True where a document is for validation: the first name of its cluster decides."""
    clusters = _roots(names, links)
    return [_draw_of(clusters[name][0]) < share for name in names]


def _wrong(
    *, reach: str = "all", by: str = "name", who: Callable = min, turned: bool = False
) -> Callable[[list[str], Links, float], list[bool]]:
    """The split with one thing to get wrong at a time."""

    def split(names: list[str], links: Links, share: float) -> list[bool]:
        clusters = _roots(names, links, reach)
        order = {name: place for place, name in enumerate(sorted(names))}
        first = {name: who(members) for name, members in clusters.items()}
        if by == "seed":
            shuffled = random.Random(0).sample(range(len(names)), len(names))
            chosen = shuffled[: round(share * len(names))]
            side = {name: names.index(first[name]) in chosen for name in names}
        elif by == "place":
            side = {name: order[first[name]] < share * len(names) for name in names}
        else:
            side = {name: _draw_of(first[name]) < share for name in names}
        return [side[name] != turned for name in names]

    return split


CHANGES = (
    {"reach": "none"},
    {"reach": "one"},
    {"by": "seed"},
    {"by": "seed", "reach": "none"},
    {"by": "place"},
    {"who": max},
    {"turned": True},
    {"by": "seed", "reach": "one"},
)

_MISTAKES = dict(
    zip(
        (
            "Copies still land on both sides: each document is judged by its own name. "
            "All that are linked "
            "must share one side, so let one name decide for all of them.",
            "You follow one link and stop. If A is a copy of B and B of C, then A and C "
            "belong together "
            "too, although nobody linked them.",
            "Copies stay together now, but the side still comes from a shuffled order. "
            "Add one document, "
            "and all are dealt anew: draw the side from the name.",
            "This is still the colleague's split. Count how many pairs of copies it "
            "separates, and how "
            "many documents change sides when one is added.",
            "You cut the sorted names. One new name in front moves the border, and with "
            "it somebody's "
            "side: each cluster must be judged by itself.",
            "You let the last name of a cluster decide. The exercise says the first in "
            "order, so that all "
            "of us make the same split.",
            "The sides are exchanged: True means validation, and it takes `share` of the "
            "corpus, not the "
            "rest.",
            "Two faults are left: the side comes from a shuffled order, and links of links aren't "
            "followed.",
        ),
        (_wrong(**change) for change in CHANGES),
        strict=True,
    )
)


def _loses_neighbours(answer: Callable, seed: int) -> str | None:
    """A document that is added may move no other, unless it links them."""
    names, links, share = _corpus(random.Random(seed + 1), 20, (3, 2), 0.3)
    before = dict(zip(names, answer(list(names), list(links), share), strict=True))
    more = ["aaa-new", *names, "zzz-new"]
    after = dict(zip(more, answer(more, list(links), share), strict=True))
    moved = sum(before[name] != after[name] for name in names)
    if moved:
        return f"Two documents came in, linked to none: {moved} of {len(names)} changed sides."
    return None


def _parts_copies(answer: Callable, seed: int) -> str | None:
    names, links, share = _corpus(random.Random(seed + 2), 30, (4, 3, 3), 0.4)
    side = dict(zip(names, answer(names, list(links), share), strict=True))
    parted = sum(side[a] != side[b] for a, b in product(names, names) if (a, b) in set(links))
    return f"{parted} of {len(links)} pairs of copies lie on two sides." if parted else None


leak_free_split = Exercise(
    name="data/split_leak",
    title="The split that leaks",
    answer="split",
    kind="diagnose",
    minutes=40,
    points=15,
    cases=_cases,
    reference=_split,
    mistakes=_MISTAKES,
    properties=(
        Property("no pair of copies is parted", _parts_copies),
        Property("a new document moves no other", _loses_neighbours),
    ),
)
