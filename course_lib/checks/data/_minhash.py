"""Candidates from bands: the step of locality-sensitive hashing that needs no comparison."""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from course_lib.checks.exercise import Case, Exercise

Signatures = list[list[int]]
Pairs = list[tuple[int, int]]

SIZES = (  # bands, rows of a band; each is drawn at random around planted agreements
    ("two bands", 2, 3),
    ("few long bands", 2, 5),
    ("many short bands", 5, 2),
    ("four bands of three", 4, 3),
    ("six bands of two", 6, 2),
)


def _cases(seed: int) -> list[Case]:
    generator = np.random.default_rng(seed)
    cases = [Case(what, (_planted(generator, *size), size[0])) for what, *size in SIZES]
    apart = (np.arange(12).reshape(2, 6) + int(generator.integers(99))).tolist()
    return [
        *cases,
        Case("two documents that share nothing", (apart, 2), edge=True),
        Case("one document", (apart[:1], 3), edge=True),
        Case("one band", ([apart[0], apart[1], apart[0]], 1), edge=True),
    ]


def _planted(generator: np.random.Generator, bands: int, rows: int) -> Signatures:
    """Ten signatures in which each mistake finds another set of pairs than the truth."""
    drawn = generator.permutation(10 * bands * rows).reshape(10, bands * rows)
    drawn += int(generator.integers(1000))
    last = (bands - 1) * rows
    drawn[2, :rows] = drawn[4, :rows] = drawn[0, :rows]  # a bucket of three
    drawn[2, last:] = drawn[0, last:]  # and two of them share a second band
    drawn[1, last:] = drawn[0, :rows]  # the first band's numbers, in the last
    drawn[9, last:] = drawn[5, last:]  # a pair that shares the last band alone
    drawn[3, :rows] = np.roll(drawn[0, :rows], 1)  # the same numbers in another order
    drawn[5, 0] = drawn[6, 0]  # one row of a band
    drawn[7] = drawn[6]  # a whole copy
    drawn[9, ::bands] = drawn[8, ::bands]  # every bands-th entry
    return drawn.tolist()


def _candidates(signatures: Signatures, bands: int) -> Pairs:
    """A pair is a candidate where at least one band is equal in all its rows."""

    def alike(a, b):
        return any(x == y for x, y in zip(_cut(a, bands), _cut(b, bands), strict=True))

    return _pairs_where(signatures, alike)


def _cut(signature: list[int], bands: int) -> list[tuple[int, ...]]:
    rows = len(signature) // bands
    return [tuple(signature[i * rows : (i + 1) * rows]) for i in range(bands)]


def _pairs_where(signatures: Signatures, alike: Callable) -> Pairs:
    pairs = combinations(range(len(signatures)), 2)
    return [(i, j) for i, j in pairs if alike(signatures[i], signatures[j])]


def _without_the_band(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: bool(set(_cut(a, bands)) & set(_cut(b, bands))))


def _one_row(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: any(x == y for x, y in zip(a, b, strict=True)))


def _every_band(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: a == b)


def _as_sets(signatures: Signatures, bands: int) -> Pairs:
    def alike(a, b):
        cut = zip(_cut(a, bands), _cut(b, bands), strict=True)
        return any(sorted(x) == sorted(y) for x, y in cut)

    return _pairs_where(signatures, alike)


def _bands_for_rows(signatures: Signatures, bands: int) -> Pairs:
    return _candidates(signatures, len(signatures[0]) // bands)


def _strided(signatures: Signatures, bands: int) -> Pairs:
    def alike(a, b):
        return any(a[i::bands] == b[i::bands] for i in range(bands))

    return _pairs_where(signatures, alike)


def _neighbours(signatures: Signatures, bands: int) -> Pairs:
    members: dict[tuple, list[int]] = {}
    for index, signature in enumerate(signatures):
        for band, key in enumerate(_cut(signature, bands)):
            members.setdefault((band, key), []).append(index)
    found = (zip(group, group[1:], strict=False) for group in members.values())
    return sorted({pair for pairs in found for pair in pairs})


def _repeated(signatures: Signatures, bands: int) -> Pairs:
    cut = [_cut(signature, bands) for signature in signatures]
    pairs = combinations(range(len(signatures)), 2)
    return sorted((i, j) for i, j in pairs for x, y in zip(cut[i], cut[j], strict=True) if x == y)


def _both_ways(signatures: Signatures, bands: int) -> Pairs:
    found = _candidates(signatures, bands)
    return sorted(found + [(j, i) for i, j in found])


_MISTAKES = {
    "Your buckets forget which band a key is of. The first band of one document and the second of "
    "another are made by other hash functions: put the band's number into the key.": (
        _without_the_band
    ),
    "One equal entry is enough for you. A band agrees only where all its rows do; that is what "
    "makes the curve steep.": _one_row,
    "You ask that all bands agree. One is enough: that is what the many bands are for.": (
        _every_band
    ),
    "You compare a band's entries in any order. The third minimum belongs to the third hash "
    "function and to no other.": _as_sets,
    "You took the number of bands for the number of rows of a band. A signature of 12 in 4 bands "
    "has 3 rows a band.": _bands_for_rows,
    "You pair each member of a bucket with the next alone. Three that share a bucket make three "
    "pairs.": _neighbours,
    "A pair that shares two bands stands twice in your list. Candidates are a set.": _repeated,
    "Each pair stands in your list both ways round. Once is enough, the smaller index first.": (
        _both_ways
    ),
    "Your band takes every `bands`-th entry. The curve would be the same, but this exercise cuts "
    "consecutive rows, as the library does: entries 0 to r - 1 are the first band.": _strided,
}

candidate_pairs = Exercise(
    name="data/minhash",
    title="Candidates from bands",
    answer="candidates",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_candidates,
    mistakes=_MISTAKES,
)
