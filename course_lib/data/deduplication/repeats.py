"""Repeated lines and paragraphs: what templates leave in documents that are otherwise their own.

Every part gets a hash; a part that stood before, here or in another document, is cut (CCNet, Wenzek
et al. 2020, section 3.1, for paragraphs). "Before" follows the ranks of the documents' keys, so the
result doesn't depend on their order. Short parts stay: a brace or a heading repeats by right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.data.deduplication.clusters import fingerprint, ranking

UNITS = {"line": "\n", "paragraph": "\n\n"}


@dataclass(frozen=True)
class Cut:
    """A part that was cut: whose, where its text began (character), and where it stood first."""

    index: int
    place: int
    text: str
    witness: int


@dataclass(frozen=True)
class Trimmed:
    """Every text with its repeats cut out (some may be empty now), and what was cut."""

    texts: list[str]
    cuts: list[Cut]


def cut_repeated(
    texts: Sequence[str],
    unit: str = "paragraph",
    min_words: int = 5,
    *,
    keys: Sequence[str] | None = None,
) -> Trimmed:
    """Cut every line or paragraph of `min_words` words or more that stood before.

    Parts are equal where they differ in nothing but white space. Raises ValueError for a unit
    that is not one of UNITS.
    """
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r} is not one of {', '.join(UNITS)}")
    border = UNITS[unit]
    first: dict[bytes, int] = {}
    trimmed, cuts = list(texts), []
    for index in ranking(texts, keys):
        kept, place = [], 0
        for part in texts[index].split(border):
            seen = None
            if len(part.split()) >= min_words:
                key = fingerprint(part)
                seen = first.get(key)
                first.setdefault(key, index)
            if seen is None:
                kept.append(part)
            else:
                cuts.append(Cut(index, place, part, seen))
            place += len(part) + len(border)
        trimmed[index] = border.join(kept)
    return Trimmed(trimmed, sorted(cuts, key=lambda cut: (cut.index, cut.place)))
