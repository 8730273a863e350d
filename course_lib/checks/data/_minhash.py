"""The check of the exercise on locality-sensitive hashing: from signatures to candidate pairs."""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from course_lib.checks._report import CheckReport, run_check

Signatures = list[list[int]]
Pairs = list[tuple[int, int]]


def candidate_pairs(fn: Callable) -> CheckReport:
    """fn(signatures, bands) -> the pairs (i, j), i < j, that share a whole band, sorted.

    signatures: one list of minima a document; bands: into how many equal bands they are cut.
    """
    cases = [_hand_worked(), *(_random_case(seed) for seed in range(6))]
    return run_check("Candidates from bands", fn, cases, candidate_pairs_reference,
                     CANDIDATE_MISTAKES)


def candidate_pairs_reference(signatures: Signatures, bands: int) -> Pairs:
    """A pair is a candidate where at least one band is equal in all its rows."""
    return _pairs_where(signatures, lambda a, b: any(
        x == y for x, y in zip(_cut(a, bands), _cut(b, bands), strict=True)))


def _cut(signature: list[int], bands: int) -> list[tuple[int, ...]]:
    rows = len(signature) // bands
    return [tuple(signature[i * rows:(i + 1) * rows]) for i in range(bands)]


def _pairs_where(signatures: Signatures, alike: Callable) -> Pairs:
    return [(i, j) for i, j in combinations(range(len(signatures)), 2)
            if alike(signatures[i], signatures[j])]


def _without_the_band(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: bool(set(_cut(a, bands)) & set(_cut(b, bands))))


def _one_row(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: any(
        x == y for x, y in zip(a, b, strict=True)))


def _every_band(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: a == b)


def _as_sets(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: any(
        sorted(x) == sorted(y) for x, y in zip(_cut(a, bands), _cut(b, bands), strict=True)))


def _bands_for_rows(signatures: Signatures, bands: int) -> Pairs:
    return candidate_pairs_reference(signatures, len(signatures[0]) // bands)


def _strided(signatures: Signatures, bands: int) -> Pairs:
    return _pairs_where(signatures, lambda a, b: any(
        a[i::bands] == b[i::bands] for i in range(bands)))


def _neighbours(signatures: Signatures, bands: int) -> Pairs:
    buckets: dict[tuple, list[int]] = {}
    for index, signature in enumerate(signatures):
        for band, key in enumerate(_cut(signature, bands)):
            buckets.setdefault((band, key), []).append(index)
    return sorted({pair for members in buckets.values()
                   for pair in zip(members, members[1:], strict=False)})


def _repeated(signatures: Signatures, bands: int) -> Pairs:
    return sorted((i, j) for i, j in combinations(range(len(signatures)), 2)
                  for x, y in zip(_cut(signatures[i], bands), _cut(signatures[j], bands),
                                  strict=True) if x == y)


CANDIDATE_MISTAKES = {
    "Your buckets forget which band a key is of. The first band of one document and the second of "
    "another are made by other hash functions: put the band's number into the key.":
        _without_the_band,
    "One equal entry is enough for you. A band agrees only where all its rows do; that is what "
    "makes the curve steep.": _one_row,
    "You ask that all bands agree. One is enough: that is what the many bands are for.":
        _every_band,
    "You compare a band's entries in any order. The third minimum belongs to the third hash "
    "function and to no other.": _as_sets,
    "You took the number of bands for the number of rows of a band. A signature of 12 in 4 bands "
    "has 3 rows a band.": _bands_for_rows,
    "You pair each member of a bucket with the next alone. Three that share a bucket make three "
    "pairs.": _neighbours,
    "A pair that shares two bands stands twice in your list. Candidates are a set.": _repeated,
    "Your band takes every `bands`-th entry. The curve would be the same, but this exercise cuts "
    "consecutive rows, as the library does: entries 0 to r - 1 are the first band.": _strided,
}


def _hand_worked() -> tuple[Signatures, int]:
    # documents 0 and 1 share the first band, 0 and 2 both bands; 3 has the first band's numbers
    # in the second, 4 the same numbers in another order, and 5 shares single entries alone
    return [[1, 2, 3, 7, 8, 9], [1, 2, 3, 5, 5, 5], [1, 2, 3, 7, 8, 9], [4, 4, 4, 1, 2, 3],
            [3, 2, 1, 9, 9, 9], [1, 0, 0, 0, 8, 0]], 2


def _random_case(seed: int) -> tuple[Signatures, int]:
    generator = np.random.default_rng(seed)
    bands, rows = [(4, 2), (2, 4), (3, 4), (4, 3), (6, 2), (2, 6)][seed]
    base = generator.integers(0, 3, (7, bands * rows))
    base[3], base[5] = base[0], base[1]
    base[3, rows:] = generator.integers(0, 3, (bands - 1) * rows)
    base[5, :rows] = generator.integers(0, 3, rows)
    return base.tolist(), bands
