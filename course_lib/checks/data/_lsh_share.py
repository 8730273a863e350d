"""The share of copies that bands find: predicted by a formula, measured on edited documents."""

import random
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.values import close

DOCUMENTS, WORDS, DRAWS = 150, 3000, 60
APART = 0.04  # of a share: documents differ, and 9,000 pairs scatter

SHAPES = (  # words of a shingle, bands, rows of a band, and about which share to find
    ("short shingles", 2, 20, 5, 0.55),
    ("FineWeb's bands", 5, 14, 8, 0.4),
    ("many short bands", 5, 32, 4, 0.7),
    ("few long bands", 3, 5, 12, 0.3),
    ("long shingles", 8, 25, 3, 0.6),
    ("a single band", 4, 1, 4, 0.5),
)


def _cases(seed: int) -> list[Case]:
    draw = random.Random(seed)
    cases = []
    for what, ngram, bands, rows, share in SHAPES:
        bands += draw.randint(0, bands // 4)
        aim = share + draw.uniform(-0.1, 0.1)
        cases.append(Case(what, (_edits_for(aim, ngram, bands, rows), ngram, bands, rows)))
    nothing = Case("nothing edited", (0.0, 5, draw.randint(2, 9), 4), edge=True)
    return [*cases, nothing, Case("every word edited", (1.0, 5, 14, 8), edge=True)]


def _edits_for(share: float, ngram: int, bands: int, rows: int) -> float:
    """The share of edited words at which about `share` of the copies are found."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        found = _formula(middle, ngram, bands, rows)
        low, high = (middle, high) if found > share else (low, middle)
    return round(low, 4)


def _formula(edited: float, ngram: int, bands: int, rows: int) -> float:
    whole = (1 - edited) ** ngram
    return 1 - (1 - (whole / (2 - whole)) ** rows) ** bands


def measured_share(edited: float, ngram: int, bands: int, rows: int) -> tuple[float, float]:
    """Mean Jaccard similarity, and the share of pairs that share a band, of edited documents.

    A document is 3,000 different words. Each hash function's least value over both sets of shingles
    is that of a random member of their union; the minima agree where both sets hold it.
    """
    generator = np.random.default_rng(zlib.crc32(repr((edited, ngram, bands, rows)).encode()))
    kept = generator.random((DOCUMENTS, WORDS)) >= edited
    whole = kept[:, : WORDS - ngram + 1].copy()
    for place in range(1, ngram):
        whole &= kept[:, place : WORDS - ngram + 1 + place]
    shared = whole.sum(1)[:, None, None, None]
    union = 2 * whole.shape[1] - shared
    least = generator.random((DOCUMENTS, DRAWS, bands, rows), np.float32) * union
    agree = least < shared
    return float((shared / union).mean()), float(agree.all(-1).any(-1).mean())


def _near(got: Any, want: Any) -> bool:
    if not all(isinstance(side, tuple | list) and len(side) == 2 for side in (got, want)):
        return False
    exact = want[1] in (0, 1)  # nothing edited, or everything
    return close(list(got), list(want), rtol=0.0, atol=1e-6 if exact else APART)


def _wrong(
    *,
    whole: Callable[[float, int], float] = lambda edited, n: (1 - edited) ** n,
    jaccard: Callable[[float], float] = lambda whole: whole / (2 - whole),
    found: Callable[[float, int, int], float] = lambda j, b, r: 1 - (1 - j**r) ** b,
) -> Callable[[float, int, int, int], tuple[float, float]]:
    def share(edited: float, n: int, b: int, r: int) -> tuple[float, float]:
        similarity = jaccard(whole(edited, n))
        return similarity, found(similarity, b, r)

    return share


_MISTAKES = {
    "You forget the shingles: a shingle stays only where all of its words do, and that is far "
    "rarer than one word that stays.": _wrong(whole=lambda edited, n: 1 - edited),
    "The share of shingles that stay is no Jaccard similarity: that one divides by the union, "
    "where each edit counts twice, as a shingle lost and as one gained.": _wrong(
        jaccard=lambda w: w
    ),
    "You divide by both sets together. In the union, what they share counts once: of n and n "
    "shingles with s in common it holds 2n − s.": _wrong(jaccard=lambda w: w / 2),
    "Bands and rows are exchanged. A band agrees where all its rows do; a pair is found where one "
    "of the bands does.": _wrong(found=lambda j, b, r: 1 - (1 - j**b) ** r),
    "This is one band, J^r. There are several, and one is enough.": _wrong(
        found=lambda j, b, r: j**r
    ),
    "One equal row is enough for you: 1 − (1 − J)^(b·r). A band needs all its rows.": _wrong(
        found=lambda j, b, r: 1 - (1 - j) ** (b * r)
    ),
    "This is the share that is missed. Found is one minus it.": _wrong(
        found=lambda j, b, r: (1 - j**r) ** b
    ),
    "You add the bands up: b · J^r counts a pair again for each band it shares, and passes 1.": (
        _wrong(found=lambda j, b, r: b * j**r)
    ),
    "You take n · edited off. That counts a shingle with two edited words twice, and may fall "
    "below 0: multiply the chances that each word stays.": _wrong(
        whole=lambda edited, n: max(0.0, 1 - n * edited)
    ),
}

lsh_share = Exercise(
    name="data/lsh_share",
    title="How many copies do bands find?",
    answer="my_prediction",
    kind="predict",
    minutes=25,
    points=10,
    cases=_cases,
    reference=measured_share,
    mistakes=_MISTAKES,
    compare=_near,
)
