"""Data cards: what a corpus is, counted from its records, and stated by those who made it.

The questions follow Gebru et al. (2021), "Datasheets for Datasets": what can be counted is counted
here, what only people know (why, by whom, with whose consent) must be written by hand.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from course_lib.data.privacy.protect import find
from course_lib.data.records import Record

SIZES = (
    ("n<1K", 10**3),
    ("1K<n<10K", 10**4),
    ("10K<n<100K", 10**5),
    ("100K<n<1M", 10**6),
    ("1M<n<10M", 10**7),
    ("10M<n<100M", 10**8),
    ("100M<n<1B", 10**9),
)
SCRIPT_SAMPLE = 400  # characters of a document that are looked at for its script


@dataclass(frozen=True)
class DataCard:
    """The counts. Lengths in bytes of UTF-8; shares of documents unless said otherwise."""

    documents: int
    bytes: int
    words: int
    shortest: int
    median: int
    longest: int
    repeated: int  # documents equal to an earlier one, byte for byte
    licences: dict[str, int]  # bytes under each
    sources: dict[str, int]
    kinds: dict[str, int]
    languages: dict[str, int]  # documents of each, or of each script without an identifier
    personal: dict[str, int]  # findings of each kind of personal data

    def rows(self) -> list[dict]:
        """Question and answer, in the order of a datasheet."""
        lengths = f"{self.shortest:,} / {self.median:,} / {self.longest:,}"
        answers = {
            "documents": f"{self.documents:,}",
            "bytes of UTF-8": f"{self.bytes:,}",
            "words between blanks": f"{self.words:,}",
            "shortest / median / longest, bytes": lengths,
            "equal to an earlier one": f"{self.repeated:,}",
            "licences, by bytes": _shares(self.licences),
            "sources": _shares(self.sources),
            "kinds": _shares(self.kinds),
            "languages or scripts": _shares(self.languages),
            "personal data found": _counts(self.personal),
        }
        return [{"question": question, "answer": answer} for question, answer in answers.items()]

    def front_matter(self) -> str:
        """The YAML head that the Hugging Face hub reads from a data set's README."""
        size = next((name for name, below in SIZES if self.documents < below), "n>1B")
        lines = ["---", f"size_categories: [{size}]", "licences_by_bytes:"]
        lines += [f"  {name!r}: {count}" for name, count in sorted(self.licences.items())]
        return "\n".join([*lines, "---"])


def data_card(records: Iterable[Record], language: Callable[[str], str] | None = None) -> DataCard:
    """Count a corpus in one pass. `language` names a text's language; without it, its script.

    Raises ValueError for a corpus without records.
    """
    lengths: list[int] = []
    words, repeated, seen = 0, 0, set()
    counts: dict[str, Counter] = {
        name: Counter() for name in ("licences", "sources", "kinds", "languages", "personal")
    }
    for record in records:
        data = record.text.encode("utf-8", "replace")
        lengths.append(len(data))
        words += len(record.text.split())
        digest = hashlib.blake2b(data, digest_size=16).digest()
        repeated += digest in seen
        seen.add(digest)
        counts["licences"][record.licence] += len(data)
        counts["sources"][record.source] += 1
        counts["kinds"][record.kind or "not stated"] += 1
        counts["languages"][(language or script_of)(record.text)] += 1
        counts["personal"].update(finding.kind for finding in find(record.text))
    if not lengths:
        raise ValueError("no records: a card describes at least one document")
    lengths.sort()
    return DataCard(
        len(lengths),
        sum(lengths),
        words,
        lengths[0],
        lengths[len(lengths) // 2],
        lengths[-1],
        repeated,
        **{name: dict(c) for name, c in counts.items()},
    )


def script_of(text: str) -> str:
    """The script of most letters at a text's beginning: `latin`, `cyrillic`, `cjk`, or `none`."""
    found = Counter(map(_script, filter(str.isalpha, text[:SCRIPT_SAMPLE])))
    return found.most_common(1)[0][0] if found else "none"


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "unknown").split()[0].lower()


def _shares(counts: dict[str, int], most: int = 4) -> str:
    total = sum(counts.values()) or 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{name} {count / total:.1%}" for name, count in ordered[:most]]
    return ", ".join(parts) + (f", {len(ordered) - most} more" if len(ordered) > most else "")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"
