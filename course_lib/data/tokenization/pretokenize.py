r"""Cut text into pre-tokens: the pieces that no merge may cross.

Three patterns, by name. Each is an alternation that is tried at every place from left to right
and takes every character, so the pieces joined give the text again.

course   ours: letters with the space before them, digits and blanks one at a time.
gpt2     Radford et al. 2019, section 2.2, and the expression in its released encoder: any run of
         letters, digits or marks with the space before it; English contractions; runs of blanks.
llama3   the expression of Llama 3's tokenizer file, which is that of OpenAI's cl100k: letters
         with any one mark before them, digits by threes, runs of blanks broken after newlines.

Deviation: none in what is cut. In how: `regex` knows \p{L} and is slow; Python's own `re` is
about twice as fast and knows ASCII letters only. So each pattern is written twice, and a text
that is all ASCII takes the quick one. A long text that is not is cut into blocks first, at a
space between two visible ASCII characters, where every pattern begins a piece.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import regex

BLOCK = 250  # characters; a block that holds one accent goes the slow way whole
SAFE_CUT = re.compile(r"[!-~](?= [!-~])")


@dataclass(frozen=True)
class Pattern:
    """A pre-token pattern: `expression` for any text, `ascii` the same for ASCII text."""

    name: str
    expression: str
    ascii: str = field(repr=False)

    @cached_property
    def find(self):
        return regex.compile(self.expression).findall

    @cached_property
    def find_ascii(self):
        return re.compile(self.ascii, re.ASCII).findall

    def split(self, text: str) -> list[str]:
        """The pieces of `text`, in order; joined they are `text`."""
        if text.isascii():
            return self.find_ascii(text)
        pieces = []
        for block in blocks(text):
            pieces += self.find_ascii(block) if block.isascii() else self.find(block)
        return pieces

    def count(self, texts: Iterable[str]) -> Counter[str]:
        """How often each piece occurs; training needs nothing else, in whatever order it comes."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(self.split(text))
        return counts


def blocks(text: str, size: int = BLOCK) -> Iterator[str]:
    """Cut `text` into parts of `size` characters or a little more, between two pieces."""
    start = 0
    while start < len(text):
        cut = SAFE_CUT.search(text, start + size)
        end = cut.end() if cut else len(text)
        yield text[start:end]
        start = end


COURSE = Pattern(
    "course",
    r" ?\p{L}+| ?\p{N}|\s|[^\s\p{L}\p{N}]",
    r" [A-Za-z]++|[A-Za-z]++| ?[0-9]|\s|[^\sA-Za-z0-9]",
)
GPT2 = Pattern(
    "gpt2",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r" [A-Za-z]++|[A-Za-z]++|'(?:[sdmt]|ll|ve|re)|[^\sA-Za-z0-9]++| [^\sA-Za-z0-9]++"
    r"|[0-9]++| [0-9]++|\s+(?!\S)|\s+",
)
LLAMA3 = Pattern(
    "llama3",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r" [A-Za-z]++|[A-Za-z]++|(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nA-Za-z0-9][A-Za-z]++"
    r"|[^\sA-Za-z0-9]++[\r\n]*+| [^\sA-Za-z0-9]++[\r\n]*+|[0-9]{1,3}"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
)
PATTERNS = {pattern.name: pattern for pattern in (COURSE, GPT2, LLAMA3)}


def pattern_named(name: str) -> Pattern:
    if name not in PATTERNS:
        raise ValueError(f"pattern={name!r} is not one of {', '.join(PATTERNS)}")
    return PATTERNS[name]
