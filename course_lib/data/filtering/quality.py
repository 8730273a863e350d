"""Filters that decide whether a document is worth training on, and say why.

The rules and most thresholds are Gopher's (Rae et al. 2021, appendix A.1). Deviation: a document
may be short (`min_words`), since a docstring is complete where a web page of that length is not,
and stop words are asked only of documents with `stop_words_from` words or more.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})


@dataclass(frozen=True, kw_only=True)
class QualityRules:
    """The named thresholds. Shares are fractions of words, lines or characters."""

    min_words: int = 8
    max_words: int = 100_000
    min_mean_word: float = 3.0
    max_mean_word: float = 10.0
    min_alphabetic: float = 0.8
    max_symbols: float = 0.1  # '#' and '…' for each word
    max_bullets: float = 0.9
    max_ellipses: float = 0.3
    max_repeated_lines: float = 0.3
    max_top_bigram: float = 0.2
    min_stop_words: int = 2
    stop_words_from: int = 50

    def __post_init__(self):
        if self.min_words > self.max_words:
            raise ValueError(f"min_words={self.min_words} is above max_words={self.max_words}")


@dataclass(frozen=True)
class Verdict:
    """Keep it or not; the rule that failed (empty where kept), and the figure that failed it."""

    keep: bool
    rule: str = ""
    reason: str = ""


def judge(text: str, rules: QualityRules | None = None) -> Verdict:
    """The first rule that the document breaks, in the order of `measure`, or a verdict to keep."""
    rules = rules or QualityRules()
    words = text.split()
    if len(words) < rules.min_words:
        return Verdict(False, "too short", f"{len(words)} words, at least {rules.min_words}")
    if len(words) > rules.max_words:
        return Verdict(False, "too long", f"{len(words)} words, at most {rules.max_words}")
    for name, value, low, high in measure(text, words, rules):
        if value < low:
            return Verdict(False, name, f"{value:.3g}, at least {low:g}")
        if value > high:
            return Verdict(False, name, f"{value:.3g}, at most {high:g}")
    return Verdict(True)


def measure(
    text: str, words: list[str], rules: QualityRules
) -> list[tuple[str, float, float, float]]:
    """Each rule's name, the document's figure, and the lowest and highest that it may be."""
    infinite = float("inf")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    count = max(1, len(words))
    stops = stop_words(words)
    wanted = rules.min_stop_words if count >= rules.stop_words_from else 0
    return [
        ("word length", sum(map(len, words)) / count, rules.min_mean_word, rules.max_mean_word),
        ("few letters", _share(words, _alphabetic), rules.min_alphabetic, 1.0),
        ("symbols", len(re.findall(r"#|\.\.\.|…", text)) / count, 0.0, rules.max_symbols),
        ("bullet list", _share(lines, _bullet), 0.0, rules.max_bullets),
        ("cut lines", _share(lines, _cut), 0.0, rules.max_ellipses),
        ("repeated lines", 1 - len(set(lines)) / max(1, len(lines)), 0.0, rules.max_repeated_lines),
        ("repeated words", _top_bigram(words, text), 0.0, rules.max_top_bigram),
        ("no stop words", float(stops), float(wanted), infinite),
    ]


def stop_words(words: Sequence[str]) -> int:
    """How many different stop words there are among the words, as they are spelled.

    Rae et al. 2021, appendix A.1.1, ask for "at least two of the following English words": a word
    that comes twice is one of them. Nothing is said of case; as in datatrove's filter, it counts.
    """
    return len(STOP_WORDS & set(words))


def _share(items: list[str], test) -> float:
    return sum(map(test, items)) / max(1, len(items))


def _alphabetic(word: str) -> bool:
    return any(character.isalpha() for character in word)


def _bullet(line: str) -> bool:
    return line.startswith(("•", "* ", "- ", "+ "))


def _cut(line: str) -> bool:
    return line.endswith(("...", "…"))


def _top_bigram(words: list[str], text: str) -> float:
    """Share of the characters inside the most frequent pair of neighbouring words."""
    pairs = Counter(pairwise(words))
    if not pairs:
        return 0.0
    (left, right), count = pairs.most_common(1)[0]
    return count * (len(left) + len(right)) / len(text) if count > 1 else 0.0
