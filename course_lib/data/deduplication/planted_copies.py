"""Copies whose origin is known: edits of growing strength, to measure who finds what.

Every edit takes a text, a pool of words and a generator, and returns the copy.
"""

import random
import re
from collections.abc import Callable, Sequence

PASSAGE = 25  # words of a passage that moves
FRAME = (
    "Home Docs Blog About Sign in Search this site You are reading an archived copy of this "
    "page Last updated a while ago Table of contents Previous page Next page"
)
FOOT = (
    "Was this page helpful Tell us what you think Terms of use Privacy Cookie settings All "
    "rights reserved by their owners Back to top Follow us Contact Imprint"
)

Edit = Callable[[str, Sequence[str], random.Random], str]


def reflowed(text: str, pool: Sequence[str], generator: random.Random) -> str:
    """Other line ends and capitals: the same words."""
    words = text.split()
    lines = [" ".join(words[i : i + 9]).capitalize() for i in range(0, len(words), 9)]
    return "\n".join(lines)


def changed(share: float) -> Edit:
    """Every word is replaced with this probability by one of the pool."""

    def edit(text: str, pool: Sequence[str], generator: random.Random) -> str:
        return "".join(
            generator.choice(pool) + piece[len(piece.rstrip()) :]
            if generator.random() < share
            else piece
            for piece in _pieces(text)
        )

    return edit


def moved(text: str, pool: Sequence[str], generator: random.Random) -> str:
    """Passages of 25 words in another order, as paragraphs are moved."""
    pieces = _pieces(text)
    passages = ["".join(pieces[i : i + PASSAGE]) for i in range(0, len(pieces), PASSAGE)]
    generator.shuffle(passages)
    return " ".join(passages)


def framed(text: str, pool: Sequence[str], generator: random.Random) -> str:
    """The text on another site: some 55 words of navigation around it, the same for every text."""
    return "\n".join([FRAME, text, FOOT])


def halved(text: str, pool: Sequence[str], generator: random.Random) -> str:
    """The first half of the text inside as many words of something else."""
    pieces = _pieces(text)
    half = len(pieces) // 2
    other = [generator.choice(pool) + " " for _ in range(half)]
    return "".join(other[: half // 2] + pieces[:half] + other[half // 2 :])


def shuffled(text: str, pool: Sequence[str], generator: random.Random) -> str:
    """The same words in any order: nothing but the topic is left."""
    words = text.split()
    generator.shuffle(words)
    return " ".join(words)


def _pieces(text: str) -> list[str]:
    """Words, each with the white space behind it: an edit of words leaves the lines alone."""
    return re.findall(r"\S+\s*", text)


EDITS: dict[str, Edit] = {
    "none": lambda text, pool, generator: text,
    "line ends and capitals": reflowed,
    "1 word in 50": changed(0.02),
    "1 word in 20": changed(0.05),
    "1 word in 10": changed(0.1),
    "1 word in 5": changed(0.2),
    "passages moved": moved,
    "another site's frame": framed,
    "half of it quoted": halved,
    "all words shuffled": shuffled,
}


def copies(texts: Sequence[str], edit: str, seed: int = 0) -> list[str]:
    """One edited copy of every text. Raises ValueError for an edit that is not one of EDITS."""
    if edit not in EDITS:
        raise ValueError(f"edit={edit!r} is not one of {', '.join(EDITS)}")
    generator = random.Random(f"{edit} {seed}")
    pool = [word for text in texts for word in text.split()]
    return [EDITS[edit](text, pool, generator) for text in texts]
