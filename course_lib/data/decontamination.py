"""Find evaluation questions in training text by shared runs of words or characters.

An *item* is a test question (with its answer, if that must not leak either). A document is
*contaminated* by it where both hold the same run. What the field counts as a run:

    GPT-3     13 words (Brown et al. 2020, appendix C): lower case, punctuation dropped; items
              shorter than that count by their own length, but never below 8 words
    8 words   The Pile's and Llama 2's smaller cousins look at 8 to 10 tokens
    GPT-4     50 characters, spaces and signs dropped (OpenAI 2023, appendix C)

A long run misses leaks that were reworded; a short one accuses every text that uses a common
phrase. `max_items` takes such phrases out: a run that occurs in more items than that is the form
of the questions, not the content of one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from course_lib.data.deduplication.shingling import UNSPACED

WORD = re.compile(rf"[^\W_{UNSPACED}]+|[{UNSPACED}]")


@dataclass(frozen=True, kw_only=True)
class OverlapRules:
    """unit: "words" or "characters"; size: units in a run; least: the shortest run that counts."""

    unit: str = "words"
    size: int = 13
    least: int = 8
    max_items: int = 10

    def __post_init__(self):
        if self.unit not in ("words", "characters"):
            raise ValueError(f"unit={self.unit!r} is not one of words, characters")
        if not 1 <= self.least <= self.size:
            raise ValueError(f"least={self.least} must be at least 1 and at most size={self.size}")
        if self.max_items < 1:
            raise ValueError(f"max_items={self.max_items} must be at least 1")

    @classmethod
    def gpt3(cls) -> "OverlapRules":
        return cls()

    @classmethod
    def eight_words(cls) -> "OverlapRules":
        return cls(size=8, least=8)

    @classmethod
    def fifty_characters(cls) -> "OverlapRules":
        return cls(unit="characters", size=50, least=50)


@dataclass(frozen=True)
class Hit:
    """A run that a document shares with an item, and where it begins (in units)."""

    item: str
    run: str
    place: int


@dataclass(frozen=True)
class Cleaned:
    """Documents by number that stay, and for each that goes its first hit."""

    kept: list[int]
    removed: dict[int, Hit]
    common: int  # runs that too many items share, and that accuse nobody


class LeakIndex:
    """The runs of an evaluation set, ready to be looked up."""

    def __init__(self, items: Mapping[str, str], rules: OverlapRules | None = None):
        """items: name → text. `too_short` lists those without a single run: nothing guards them."""
        self.rules = rules or OverlapRules()
        self.runs: dict[tuple[str, ...] | str, set[str]] = {}
        self.too_short: list[str] = []
        self.sizes: set[int] = set()
        for name, text in items.items():
            units = self.units(text)
            size = min(self.rules.size, len(units))
            if size < self.rules.least:
                self.too_short.append(name)
                continue
            self.sizes.add(size)
            for _, run in self._runs(units, size):
                self.runs.setdefault(run, set()).add(name)
        most = self.rules.max_items
        self.common = {run for run, names in self.runs.items() if len(names) > most}

    def units(self, text: str) -> Sequence[str]:
        """Lower case, without punctuation: a tuple of words, or a string without spaces."""
        words = WORD.findall(text.lower())
        return tuple(words) if self.rules.unit == "words" else "".join(words)

    def hits(self, text: str) -> list[Hit]:
        """Every run of the document that an item holds too, except the common ones."""
        units = self.units(text)
        found = []
        for size in sorted(self.sizes):
            for place, run in self._runs(units, size):
                if run in self.runs and run not in self.common:
                    written = " ".join(run) if isinstance(run, tuple) else run
                    found += [Hit(name, written, place) for name in sorted(self.runs[run])]
        return found

    def clean(self, texts: Sequence[str]) -> Cleaned:
        """Drop every document with a hit. GPT-3 cut 200 characters around it instead, and dropped
        documents that fell into more than ten pieces; whole documents are easier to account for.
        """
        kept, removed = [], {}
        for number, text in enumerate(texts):
            hits = self.hits(text)
            if hits:
                removed[number] = hits[0]
            else:
                kept.append(number)
        return Cleaned(kept, removed, len(self.common))

    @staticmethod
    def _runs(units: Sequence[str], size: int):
        return ((place, units[place : place + size]) for place in range(len(units) - size + 1))
