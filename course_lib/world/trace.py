"""One run of the grammar: writing a text (`Sampler`) or following a given one (`Reader`).

The grammar in `documents.py` is ordinary Python that makes its choices through a trace:

    say(text)           words that follow with certainty
    pick(options)       a random choice that shows in the text
    hide(options)       a random choice that doesn't show yet; the next span bears its cost
    toss(p)             a hidden yes (probability p) or no
    tell(options, i)    a value that the state of the world decides: it costs nothing, but another
                        one would be false

A trace adds up -log p in nats, span by span. An option of weight zero can be said but never is: a
reader that meets it knows *why* the text is impossible (`Options.fault`).

The classes are marked `no_type_check`: they are called a hundred times a document, and the tests'
type checker would make every sample ten times slower.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import log, log1p
from random import Random
from typing import NamedTuple, no_type_check


class Span(NamedTuple):
    """A piece of text, what kind of piece it is, and its surprisal in nats."""

    text: str
    tag: str
    nats: float


_LONGEST = 80  # no text of the grammar has more characters
TAGS = ("form", "name", "number", "event", "fact", "step", "place", "sum", "copy", "end")


@no_type_check
class Options:
    """Texts to choose from, with weights. The cumulative sum is kept: drawing is a bisection."""

    __slots__ = ("texts", "cumulative", "fault", "_index", "_lengths")

    def __init__(
        self, texts: Sequence[str], weights: Sequence[float] | None = None, fault: str = "grammar"
    ):
        self.texts = texts
        self.cumulative = list(accumulate(weights or [1.0] * len(texts)))
        self.fault = fault
        self._index: dict[str, int] | None = None
        self._lengths: list[int] = []
        if not self.cumulative[-1] > 0:
            raise ValueError(f"no option has a positive weight: {list(texts)[:5]}")

    def weight(self, i: int) -> float:
        return self.cumulative[i] - (self.cumulative[i - 1] if i else 0.0)

    def nats(self, i: int, but: int | None = None) -> float:
        """-log p(i), where p is renormalised without the option `but`."""
        total = self.cumulative[-1]
        nats = -log(self.weight(i) / total)
        return nats if but is None else nats + log1p(-self.weight(but) / total)

    def draw(self, rng: Random, but: int | None = None) -> int:
        while True:
            i = bisect_right(self.cumulative, rng.random() * self.cumulative[-1])
            if i != but and i < len(self.texts):
                return i

    def matching(self, target: str, position: int) -> list[int]:
        """Options (of any weight) that stand in `target` at `position`, ending at a word's end."""
        if self._index is None:
            self._index = {text: i for i, text in enumerate(self.texts)}
            self._lengths = sorted({len(text) for text in self.texts})
        found = []
        for length in self._lengths:
            end = position + length
            if end > len(target):
                break
            i = self._index.get(target[position:end])
            if i is not None and not _inside_word(target, end):
                found.append(i)
        return found


def _inside_word(text: str, at: int) -> bool:
    return text[at - 1 : at].isalnum() and text[at : at + 1].isalnum()


@no_type_check
class Trace:
    """What both kinds of run share: the spans so far and their cost."""

    def __init__(self):
        self.spans: list[Span] = []
        self.pending = 0.0  # cost of hidden choices, waiting for the next span

    def _record(self, text: str, tag: str, nats: float) -> None:
        self.spans.append(Span(text, tag, nats + self.pending))
        self.pending = 0.0

    def end(self) -> None:
        self._record("", "end", 0.0)

    @property
    def nats(self) -> float:
        return sum(span.nats for span in self.spans)

    @property
    def text(self) -> str:
        return "".join([span.text for span in self.spans])


@no_type_check
class Sampler(Trace):
    """Writes a text with the choices of `rng`.

    `wishes` fixes named tosses, to order a story of a certain kind: a bool, or an int n for "yes
    the first n times". The nats of a wished-for text are not those of the world.
    """

    def __init__(self, rng: Random, wishes: dict[str, bool | int] | None = None):
        super().__init__()
        self.rng = rng
        self.wishes = dict(wishes or {})

    def say(self, text: str, tag: str = "form") -> None:
        self._record(text, tag, 0.0)

    def pick(self, options: Options, tag: str = "form", but: int | None = None) -> int:
        i = options.draw(self.rng, but)
        self._record(options.texts[i], tag, options.nats(i, but))
        return i

    def hide(self, options: Options) -> int:
        i = options.draw(self.rng)
        self.pending += options.nats(i)
        return i

    def toss(self, p: float, name: str = "") -> bool:
        wish = self.wishes.get(name)
        if wish is None:
            yes = self.rng.random() < p
            self.pending -= log(p if yes else 1 - p)
            return yes
        if wish is True or wish is False:
            return wish
        self.wishes[name] = wish - 1
        return wish > 0

    def tell(self, options: Options, i: int, tag: str) -> None:
        self._record(options.texts[i], tag, 0.0)


class Fork(Exception):
    """The reader must try several options here."""

    def __init__(self, choices: list[int]):
        self.choices = choices


class Break(Exception):
    """The text cannot go on like this under the choices made so far.

    `position` is where the wrong words begin, `through` how far the text was understood: past
    them, where they could have been said but are false.
    """

    def __init__(self, position: int, through: int, fault: str, expected: Sequence[str]):
        super().__init__(position, through, fault, expected)
        self.position, self.through = position, through
        self.fault, self.expected = fault, expected


@no_type_check
class Reader(Trace):
    """Follows `target` under the decisions given so far; raises Fork at the next open one."""

    def __init__(self, target: str, decisions: tuple[int, ...] = ()):
        super().__init__()
        self.target = target
        self.decisions = decisions
        self.taken = 0
        self.position = 0

    def say(self, text: str, tag: str = "form") -> None:
        if not self.target.startswith(text, self.position):
            raise self._broken([text])
        self.position += len(text)
        self._record(text, tag, 0.0)

    def pick(self, options: Options, tag: str = "form", but: int | None = None) -> int:
        found = options.matching(self.target, self.position)
        possible = [i for i in found if i != but and options.weight(i) > 0]
        if not possible:
            raise self._false(options, found[0], but) if found else self._broken(options.texts)
        i = possible[0] if len(possible) == 1 else self._decide(possible)
        self.position += len(options.texts[i])
        self._record(options.texts[i], tag, options.nats(i, but))
        return i

    def hide(self, options: Options) -> int:
        i = self._decide([i for i in range(len(options.texts)) if options.weight(i) > 0])
        self.pending += options.nats(i)
        return i

    def toss(self, p: float, name: str = "") -> bool:
        yes = self._decide([1, 0]) == 1
        self.pending -= log(p if yes else 1 - p)
        return yes

    def tell(self, options: Options, i: int, tag: str) -> None:
        found = options.matching(self.target, self.position)
        if i not in found:
            if not found:
                raise self._broken([options.texts[i]])
            through = self.position + len(options.texts[found[0]])
            raise self._broken([options.texts[i]], options.fault, through)
        self.position += len(options.texts[i])
        self._record(options.texts[i], tag, 0.0)

    def end(self) -> None:
        if self.position < len(self.target):
            raise self._broken(["the end of the document"])
        super().end()

    def _decide(self, choices: list[int]) -> int:
        if self.taken == len(self.decisions):
            raise Fork(choices)
        self.taken += 1
        return self.decisions[self.taken - 1]

    def _false(self, options: Options, i: int, but: int | None) -> Break:
        """The text says option `i`, which cannot be; perhaps it only lacks its last letters."""
        texts = enumerate(options.texts)
        allowed = [text for j, text in texts if j != but and options.weight(j) > 0]
        through = self.position + len(options.texts[i])
        broken = self._broken(allowed, options.fault, through)
        if broken.fault != "unfinished":
            broken.expected = ()  # too many to name
        return broken

    def _broken(self, expected: Sequence[str], fault: str = "grammar", through: int = 0) -> Break:
        rest = self.target[self.position :]
        if len(rest) < _LONGEST and any(text.startswith(rest) for text in expected):
            fault, through = "unfinished", len(self.target)
        return Break(self.position, max(through, self.position), fault, expected)
