"""Characters that make a text unusable, though Python holds it without complaint."""

import re
from dataclasses import dataclass

# Overrides, embeddings and isolates can show a reader another order than a program reads (Boucher
# and Anderson 2021, "Trojan Source"). The marks U+200E, U+200F and U+061C only state a direction:
# Arabic and Hebrew need them, so they pass.
FLAWS = {
    "NUL": re.compile("\x00"),
    "lone surrogate": re.compile("[\ud800-\udfff]"),
    "bidi control": re.compile("[\u202a-\u202e\u2066-\u2069]"),
}


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a text, and at which character it is met first."""

    reason: str
    detail: str


def flaw_of(text: str) -> Flaw | None:
    """The first flaw of a text in the order of FLAWS, or None.

    NUL ends strings in C, so tools cut such texts in silence. A lone surrogate is half a character
    that JSON's escapes let through: it can't be written as UTF-8, and fails far from here.
    """
    for reason, pattern in FLAWS.items():
        if found := pattern.search(text):
            return Flaw(reason, f"U+{ord(found[0]):04X} at character {found.start()}")
    return None
