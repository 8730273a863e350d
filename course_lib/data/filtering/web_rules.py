"""The three rule sets that most web corpora went through, each exactly as its paper states it.

`course_lib.data.filtering.quality.judge` is a rule set for short documents; these are the
originals, so that you can say what "C4-filtered" means. Every verdict names its rule and holds
the figure.

The papers say "word" and leave open what that is. Here a word is what `words` gives, split at
white space by default. datatrove splits with spaCy, where a comma is a token of its own: the same
thresholds then decide differently. `words` and `sentences` are arguments so that both can be had.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from course_lib.data.filtering.quality import Verdict, stop_words

Split = Callable[[str], Sequence[str]]
Number = int | float
CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
POLICY = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def sentences_of(line: str) -> list[str]:
    """Cut after . ! ? and white space. Deviation: C4 used nltk's Punkt, with abbreviations."""
    return [part for part in SENTENCE_END.split(line.strip()) if part]


@dataclass(frozen=True, kw_only=True)
class GopherRules:
    """Rae et al. 2021, appendix A.1.1, "Quality Filtering"; all bounds inclusive."""

    min_words: int = 50
    max_words: int = 100_000
    min_mean_word: float = 3.0
    max_mean_word: float = 10.0
    max_symbols: float = 0.1  # hash signs a word, and ellipses a word, each
    max_bullets: float = 0.9
    max_ellipses: float = 0.3
    min_alphabetic: float = 0.8
    min_stop_words: int = 2  # different ones


def gopher(text: str, rules: GopherRules | None = None, words: Split = str.split) -> Verdict:
    """The first of Gopher's quality rules that the document breaks.

    Tokens without a letter or digit count as symbols, not as words, where words are counted and
    measured; among "80 % of words contain a letter" every token counts.
    """
    rules = rules or GopherRules()
    tokens = words(text)
    real = [token for token in tokens if any(map(str.isalnum, token))]
    if not rules.min_words <= len(real) <= rules.max_words:
        bound = f"{rules.min_words} to {rules.max_words:,}"
        return Verdict(False, "gopher: length", f"{len(real)} words, {bound} are kept")
    lines, count, infinite = text.splitlines(), max(1, len(tokens)), float("inf")
    ellipses = text.count("...") + text.count("…")
    lettered = sum(any(map(str.isalpha, token)) for token in tokens)
    return _first(
        [
            (
                "gopher: word length",
                sum(map(len, real)) / max(1, len(real)),
                rules.min_mean_word,
                rules.max_mean_word,
            ),
            ("gopher: hashes", text.count("#") / count, 0, rules.max_symbols),
            ("gopher: ellipses", ellipses / count, 0, rules.max_symbols),
            ("gopher: bullet lines", _share(lines, _bullet), 0, rules.max_bullets),
            ("gopher: cut lines", _share(lines, _cut), 0, rules.max_ellipses),
            ("gopher: few letters", lettered / count, rules.min_alphabetic, 1),
            (
                "gopher: no stop words",
                stop_words(tokens),
                rules.min_stop_words,
                infinite,
            ),
        ]
    )


@dataclass(frozen=True, kw_only=True)
class RepetitionRules:
    """Rae et al. 2021, table A1: the largest shares of a document that may be repetition."""

    lines: float = 0.30
    paragraphs: float = 0.30
    line_characters: float = 0.20
    paragraph_characters: float = 0.20
    top_ngrams: tuple[tuple[int, float], ...] = ((2, 0.20), (3, 0.18), (4, 0.16))
    repeated_ngrams: tuple[tuple[int, float], ...] = (
        (5, 0.15),
        (6, 0.14),
        (7, 0.13),
        (8, 0.12),
        (9, 0.11),
        (10, 0.10),
    )


def repetition(
    text: str, rules: RepetitionRules | None = None, words: Split = str.split
) -> Verdict:
    """Repeated lines and paragraphs; the most frequent n-gram; all n-grams met a second time."""
    rules = rules or RepetitionRules()
    if not text.strip():
        return Verdict(False, "repetition: empty", "0 characters, at least 1")
    figures = []
    for name, parts, share, characters in (
        (
            "paragraphs",
            re.split(r"\n{2,}", text.strip()),
            rules.paragraphs,
            rules.paragraph_characters,
        ),
        ("lines", re.split(r"\n+", text), rules.lines, rules.line_characters),
    ):
        again = _second_times(parts)
        figures += [
            (f"repetition: {name}", len(again) / len(parts), 0, share),
            (f"repetition: characters in {name}", sum(map(len, again)) / len(text), 0, characters),
        ]
    tokens = words(text)
    for size, most in rules.top_ngrams:
        figures.append((f"repetition: top {size}-gram", _top(tokens, size) / len(text), 0, most))
    for size, most in rules.repeated_ngrams:
        share = _repeated(tokens, size) / len(text)
        figures.append((f"repetition: {size}-grams", share, 0, most))
    return _first(figures)


@dataclass(frozen=True, kw_only=True)
class C4Rules:
    """Raffel et al. 2020, section 2.2, with the values of the published code.

    The paper's first version says 5 sentences and 3 words, its later one and the code 3 and 5.
    datatrove follows the first: `C4Rules.first_version()`.
    """

    min_sentences: int = 3
    min_words: int = 5  # in a line
    max_word: int = 1000  # characters; in the code, not in the paper
    terminal: bool = True  # FineWeb switched this one off: it removes a third of the web

    @classmethod
    def first_version(cls) -> "C4Rules":
        return cls(min_sentences=5, min_words=3)


@dataclass(frozen=True)
class C4Result:
    """C4 works line by line: the verdict, the lines that are left, and why others went."""

    verdict: Verdict
    text: str
    lines_dropped: dict[str, int]


def c4(text: str, rules: C4Rules | None = None, sentences: Split = sentences_of) -> C4Result:
    """Drop lines that are no sentences; drop the page where too few are left.

    Not here: the list of bad words (see the page on toxicity), langdetect (`language`), and
    the removal of three-sentence spans that occur elsewhere (see `deduplication`).
    """
    rules = rules or C4Rules()
    kept, dropped, count = [], Counter(), 0
    for line in text.splitlines():
        words = line.split()
        line = CITATION.sub("", line.strip())
        why = _line_fault(line, words, rules)
        if why in ("lorem ipsum", "curly bracket"):
            return C4Result(Verdict(False, f"c4: {why}", repr(line[:40])), "", dict(dropped))
        if why:
            dropped[why] += 1
            continue
        kept.append(line)
        count += len(sentences(line))
    if count < rules.min_sentences:
        reason = f"{count} sentences left, at least {rules.min_sentences}"
        return C4Result(Verdict(False, "c4: few sentences", reason), "", dict(dropped))
    return C4Result(Verdict(True), "\n".join(kept).strip(), dict(dropped))


def _line_fault(line: str, words: Sequence[str], rules: C4Rules) -> str:
    lower = line.lower()
    if any(len(word) > rules.max_word for word in words):
        return "long word"
    if rules.terminal and (not line.endswith((".", "!", "?", '"', "'")) or line.endswith("...")):
        return "no end mark"
    if len(words) < rules.min_words:
        return "few words"
    if "lorem ipsum" in lower:
        return "lorem ipsum"
    if "javascript" in lower:
        return "javascript"
    if "{" in line:
        return "curly bracket"
    return "policy" if any(phrase in lower for phrase in POLICY) else ""


@dataclass(frozen=True, kw_only=True)
class FineWebRules:
    """Penedo et al. 2024, section 3.6: three filters found by comparing good and bad crawls.

    datatrove's class differs: by default it refuses 0.01 of repeated characters where the paper
    says 0.1, and it has a fourth rule, line ends a word: `FineWebRules.datatrove()`.
    """

    min_ended_lines: float = 0.12
    max_short_lines: float = 0.67
    short: int = 30  # characters
    max_repeated: float = 0.1
    max_line_ends: float = float("inf")  # for each word

    @classmethod
    def datatrove(cls) -> "FineWebRules":
        return cls(max_repeated=0.01, max_line_ends=0.3)


def fineweb(
    text: str,
    rules: FineWebRules | None = None,
    words: Split = str.split,
    ends: Sequence[str] = (".", "!", "?", '"', "'", "…", "。", "？", "！"),
) -> Verdict:
    """Lines that end like sentences, lines that are short, characters in repeated lines.

    Deviation: `ends` is a short list; datatrove's holds the end marks of all scripts.
    """
    rules = rules or FineWebRules()
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return Verdict(False, "fineweb: empty", "0 lines, at least 1")
    again = sum(map(len, _second_times(lines)))
    return _first(
        [
            (
                "fineweb: ended lines",
                _share(lines, lambda line: line.endswith(tuple(ends))),
                rules.min_ended_lines,
                1,
            ),
            (
                "fineweb: short lines",
                _share(lines, lambda line: len(line) <= rules.short),
                0,
                rules.max_short_lines,
            ),
            ("fineweb: repeated lines", again / len(text.replace("\n", "")), 0, rules.max_repeated),
            (
                "fineweb: line ends",
                text.count("\n") / max(1, len(words(text))),
                0,
                rules.max_line_ends,
            ),
        ]
    )


def _first(figures: Sequence[tuple[str, Number, Number, Number]]) -> Verdict:
    """The first figure (name, value, lowest, highest) that is outside its bounds."""
    for name, value, low, high in figures:
        if value < low:
            return Verdict(False, name, f"{value:.3g}, at least {low:g}")
        if value > high:
            return Verdict(False, name, f"{value:.3g}, at most {high:g}")
    return Verdict(True)


def _share(items: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, items)) / max(1, len(items))


def _bullet(line: str) -> bool:
    return line.lstrip().startswith(("•", "-"))


def _cut(line: str) -> bool:
    return line.rstrip().endswith(("...", "…"))


def _second_times(parts: Sequence[str]) -> list[str]:
    """Those that occurred before."""
    seen: set[str] = set()
    again = []
    for part in parts:
        if part in seen:
            again.append(part)
        seen.add(part)
    return again


def _grams(tokens: Sequence[str], size: int) -> list[str]:
    return [" ".join(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def _top(tokens: Sequence[str], size: int) -> int:
    """Characters covered by the most frequent n-gram, counted even where it occurs once."""
    counts = Counter(_grams(tokens, size))
    if not counts:
        return 0
    gram, count = counts.most_common(1)[0]
    return len(gram) * count


def _repeated(tokens: Sequence[str], size: int) -> int:
    """Characters inside n-grams that occurred before; one that counts is stepped over whole."""
    seen: set[tuple[str, ...]] = set()
    total = place = 0
    while place <= len(tokens) - size:
        gram = tuple(tokens[place : place + size])
        if gram in seen:
            total += sum(map(len, gram))
            place += size
        else:
            seen.add(gram)
            place += 1
    return total
