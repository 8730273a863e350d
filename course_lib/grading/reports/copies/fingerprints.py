"""Fingerprints of a program by winnowing (Schleimer, Wilkerson and Aiken, 2003), of its tokens.

The text becomes tokens in which a name of one's own is just a name, so renaming changes nothing;
comments, docstrings and layout are gone. Each run of K tokens is hashed; of every WINDOW hashes in
a row the smallest is kept. So any run of K + WINDOW - 1 tokens that two programs share gives both
a fingerprint in common.

Differs from the paper: the hash isn't rolling, since K is small, and where a fingerprint stands
isn't kept. All is linear in the text, which is cut at MAX_TEXT characters and may be no Python.
"""

import builtins
import hashlib
import keyword
import re
from collections.abc import Sequence
from itertools import pairwise

K, WINDOW = 8, 4
MAX_TEXT = 100_000
TOKEN = re.compile(
    r"""(?P<string>[rRbBuUfF]{0,2}(?:\"{3}(?:[^\\]|\\.)*?(?:\"{3}|\Z)|'{3}(?:[^\\]|\\.)*?(?:'{3}|\Z)"""
    r"""|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?))"""
    r"""|(?P<name>[^\W\d]\w*)|(?P<number>\d[\w.]*)|(?P<comment>\#[^\n]*)|(?P<line>\n)|(?P<sign>\S)""",
    re.DOTALL,
)
KEPT = {*keyword.kwlist, *dir(builtins)}


def tokens(source: str) -> list[str]:
    """The program's tokens; "n" stands for any name of its own, "s" for any string.

    Kept as they are: keywords, built-in names, attributes (softmax is no name of one's own, but
    for methods that the program defines), numbers and signs.
    """
    found = [
        (str(match.lastgroup), match.group())
        for match in TOKEN.finditer(source[:MAX_TEXT])
        if match.lastgroup != "comment"
    ]
    own = {text for (_, before), (_, text) in pairwise(found) if before == "def"}
    made, last = [], ""
    for at, (kind, text) in enumerate(found):
        if kind == "line":
            continue
        if kind == "string":
            if not _alone(found, at):
                made.append("s")
        elif kind == "name" and (last == "." and text not in own or text in KEPT):
            made.append(text)
        else:
            made.append("n" if kind == "name" else text)
        last = text
    return made


def _alone(found: Sequence[tuple[str, str]], at: int) -> bool:
    """Whether a string is a statement of its own, as docstrings are."""
    before = found[at - 1][0] if at else "line"
    after = found[at + 1][0] if at + 1 < len(found) else "line"
    return before == after == "line"


def runs(words: Sequence[str]) -> list[int]:
    """The hash of each run of K tokens, in order."""
    texts = ("\0".join(words[i : i + K]) for i in range(len(words) - K + 1))
    return [
        int.from_bytes(hashlib.blake2b(t.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        for t in texts
    ]


def winnow(hashes: Sequence[int]) -> set[int]:
    """The smallest hash of every window; of a shorter row, its smallest."""
    if len(hashes) <= WINDOW:
        return {min(hashes)} if hashes else set()
    return {min(hashes[i : i + WINDOW]) for i in range(len(hashes) - WINDOW + 1)}


def fingerprints(source: str, template: str = "") -> frozenset[int]:
    """Those of the source that aren't of the template's runs: what a student added to it."""
    return frozenset(winnow(runs(tokens(source))) - set(runs(tokens(template))))
