"""Regular languages over bytes, by derivatives: what may still come after a text.

The derivative of a language by a byte is the language of what may follow that byte. So a state of
the automaton *is* a language, and reading a text is taking one derivative a byte. Sources:
Brzozowski 1964; Owens, Reppy and Turon 2009, which shows that few different derivatives arise.

Equal languages built in equal ways are one object: `cache` remembers every node that was made, so
that states can be compared and used as keys by identity. A grammar's states stay in memory.
"""

from collections.abc import Iterable
from functools import cache, cached_property, reduce
from math import inf

Bytes = frozenset[int]


class Language:
    """A set of byte strings. `nullable`: it holds the empty one; `shortest`: bytes of its least."""

    nullable: bool = False
    shortest: int | float = inf

    def __init__(self) -> None:
        self._after: dict[int, Language] = {}

    def after(self, byte: int) -> "Language":
        """The derivative: every rest of a text of this language that begins with `byte`."""
        if byte not in self._after:
            self._after[byte] = self._derivative(byte)
        return self._after[byte]

    def reading(self, text: bytes) -> "Language":
        """The derivative by all of `text`; NOTHING where no text of the language begins so."""
        return reduce(Language.after, text, self)

    def __contains__(self, text: bytes) -> bool:
        return self.reading(text).nullable

    def _derivative(self, byte: int) -> "Language":
        return NOTHING


class _Nothing(Language):
    """The empty set: a text that came here can't be finished."""


class _Empty(Language):
    """The empty text alone."""

    nullable, shortest = True, 0


class _OneOf(Language):
    """One byte of a set."""

    shortest = 1

    def __init__(self, choices: Bytes) -> None:
        super().__init__()
        self.choices = choices

    def _derivative(self, byte: int) -> Language:
        return EMPTY if byte in self.choices else NOTHING


class _Then(Language):
    """A text of the first language and behind it one of the second."""

    def __init__(self, first: Language, second: Language) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.nullable = first.nullable and second.nullable

    @cached_property
    def shortest(self) -> int | float:
        return self.first.shortest + self.second.shortest

    def _derivative(self, byte: int) -> Language:
        inside = _then(self.first.after(byte), self.second)
        return either(inside, self.second.after(byte)) if self.first.nullable else inside


class _Either(Language):
    """A text of any of the languages."""

    def __init__(self, options: frozenset[Language]) -> None:
        super().__init__()
        self.options = options
        self.nullable = any(option.nullable for option in options)

    @cached_property
    def shortest(self) -> int | float:
        return min(option.shortest for option in self.options)

    def _derivative(self, byte: int) -> Language:
        return either(*(option.after(byte) for option in self.options))


class _Repeat(Language):
    """At least `least` and at most `most` texts of a language, one behind the other."""

    def __init__(self, item: Language, least: int, most: int | float) -> None:
        super().__init__()
        self.item, self.least, self.most = item, least, most
        self.nullable, self.shortest = least == 0, least * item.shortest

    def _derivative(self, byte: int) -> Language:
        rest = repeat(self.item, max(self.least - 1, 0), self.most - 1)
        return _then(self.item.after(byte), rest)


NOTHING, EMPTY = _Nothing(), _Empty()
_make_one_of, _make_then, _make_either = cache(_OneOf), cache(_Then), cache(_Either)
_make_repeat = cache(_Repeat)


def one_of(choices: Iterable[int]) -> Language:
    """One byte out of these."""
    choices = frozenset(choices)
    return _make_one_of(choices) if choices else NOTHING


def literal(text: str | bytes) -> Language:
    """This text and no other."""
    raw = text.encode() if isinstance(text, str) else text
    return then(*(one_of([byte]) for byte in raw))


def then(*parts: Language) -> Language:
    """One text of each part, in order."""
    return reduce(lambda rest, part: _then(part, rest), reversed(parts), EMPTY)


def either(*options: Language) -> Language:
    """A text of any of the options."""
    flat: set[Language] = set()
    for option in options:
        flat |= option.options if isinstance(option, _Either) else {option}
    flat.discard(NOTHING)
    return _make_either(frozenset(flat)) if len(flat) > 1 else next(iter(flat), NOTHING)


def repeat(item: Language, least: int = 0, most: int | float = inf) -> Language:
    """`least` to `most` texts of `item`. Raises ValueError for counts or items that can't be."""
    if least < 0 or most < least:
        raise ValueError(f"repeat: least is {least} and most {most}, expected 0 <= least <= most")
    if item.nullable:
        raise ValueError("repeat: the item may be empty, so counting it means nothing")
    if most == 0 or (item is NOTHING and least == 0):
        return EMPTY
    return _make_repeat(item, least, most)


def _then(first: Language, second: Language) -> Language:
    """Two parts, grouped to the right, so that equal sequences are equal objects."""
    if first is NOTHING or second is NOTHING:
        return NOTHING
    if first is EMPTY or second is EMPTY:
        return second if first is EMPTY else first
    if isinstance(first, _Then):
        return _then(first.first, _then(first.second, second))
    return _make_then(first, second)
