"""Which side of the fence: train, validation or test, decided by a hash, so that no list is kept.

A document's split is the hash of its *skeleton*: the text with names blanked, running comments
removed and the answer cut off. All tellings of one story, with whatever people in it, therefore
fall on the same side.
"""

import re
from hashlib import blake2b

SPLITS = ("train", "validation", "test")
DOCUMENT_SHARES = (0.8, 0.1, 0.1)
QUESTION_SHARES = (0.6, 0.2, 0.2)  # of facts and sums
STRANGER_SHARES = (0.5, 0.25, 0.25)

_WORD = re.compile(r"[A-Z][a-z]+")
_COMMENT = re.compile(r", now \d+| So the [a-z]+ is in the [a-z]+\.")


def split_of(key: str, shares: tuple[float, float, float]) -> str:
    """The split of `key`: uniform over [0, 1) by hash, cut at the shares."""
    u = int.from_bytes(blake2b(key.encode(), digest_size=7).digest(), "big") / 2**56
    if u < shares[0]:
        return "train"
    return "validation" if u < shares[0] + shares[1] else "test"


def skeleton(text: str, names: frozenset[str]) -> str:
    """What is left of a document when people, running comments and the answer are taken out."""
    if not text.startswith("Question:"):
        text = text[: text.rfind("?") + 1] or text  # a story ends at its question
        text = _COMMENT.sub("", text)
    return _WORD.sub(lambda m: "_" if m[0] in names else m[0], text)


def document_split(text: str, names: frozenset[str]) -> str:
    return split_of("document/" + skeleton(text, names), DOCUMENT_SHARES)


def fact_split(name: str, attribute: str) -> str:
    return split_of(f"fact/{name}/{attribute}", QUESTION_SHARES)


def sum_split(x: int, op: str, y: int) -> str:
    return split_of(f"sum/{x} {op} {y}", QUESTION_SHARES)


def stranger_split(name: str) -> str:
    return split_of(f"stranger/{name}", STRANGER_SHARES)


def check_split(split: str) -> str:
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; use one of {', '.join(SPLITS)}")
    return split
