"""Repair a text without changing what it says, and report every kind of repair.

Cleaning mends; it never judges (`course_lib.data.filtering.quality` does) and never drops a
document. The reference that people use for the first step is `ftfy`.
"""

import re
import unicodedata
from dataclasses import dataclass

# Characters that are invisible and carry nothing in running text: controls other than tab and
# line feed, the soft hyphen, zero-width spaces, the byte-order mark, and the replacement mark. The
# zero-width joiners stay: Persian, Hindi and family emoji are spelled with them.
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffd]")
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}(?![\w-])")
EMAIL_MASK = "<email>"
# What stands before an @ and is no person: an account of a program (`git@github.com`), or a mailbox
# of RFC 2142. And what stands behind one and is no domain: a file's ending, as in `logo@2x.png`.
ACCOUNT = re.compile(
    r"git|hg|svn|root|daemon|mailer-daemon|nobody|(do)?-?not?-?reply|abuse|hostmaster|noc|postmaster"
    r"|security|webmaster|www"
)
FILE_ENDING = re.compile(
    r"avif|bmp|bz2|cfg|conf|css|csv|dll|docx?|exe|gif|gz|heic|html?|ico|ini|jar|jpe?g|jsx?|json|log"
    r"|mjs|mp[34]|pdf|png|scss|svgz?|tar|tgz|tiff?|toml|tsx?|ttf|txt|wav|webp|whl|woff2?|xlsx?|xml"
    r"|xz|ya?ml|zip"
)


@dataclass(frozen=True)
class Cleaned:
    """The text, and how many characters (or addresses) each step changed; zeros left out."""

    text: str
    changes: dict[str, int]


def clean(text: str) -> Cleaned:
    """All repairs, in an order in which no step makes work for an earlier one on real text."""
    changes = {}
    for name, step in STEPS.items():
        text, count = step(text)
        if count:
            changes[name] = count
    return Cleaned(text, changes)


def repair_encoding(text: str) -> tuple[str, int]:
    """Undo UTF-8 that was read as Windows-1252 (`Ã©` for `é`), where the whole text was.

    The rule: put the characters back to the bytes they were read from; if those are valid UTF-8
    from end to end, that was the text. Random text almost never passes: a character that really
    is `Ã` would have to stand before just the right other one, everywhere. `ftfy` also weighs how
    odd the text looks, mends mixtures, and knows more encodings.
    """
    repaired = text
    while not repaired.isascii():  # again, for text that was spoilt twice
        try:
            repaired = b"".join(map(_windows_byte, repaired)).decode("utf-8")
        except UnicodeError:
            break
    return repaired, len(text) - len(repaired)


def _windows_byte(character: str) -> bytes:
    """The byte that Windows-1252 reads as `character`; its five gaps read as Latin-1."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def compose(text: str) -> tuple[str, int]:
    """Unicode normal form C: `e` + accent becomes the one character `é`, so equal is equal."""
    composed = unicodedata.normalize("NFC", text)
    return composed, 0 if composed == text else max(1, len(text) - len(composed))


def line_ends(text: str) -> tuple[str, int]:
    """Windows and old Mac line ends, form feeds and Unicode separators become a line feed."""
    return re.subn("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)


def remove_invisible(text: str) -> tuple[str, int]:
    return INVISIBLE.subn("", text)


def spaces(text: str) -> tuple[str, int]:
    """Unicode's other spaces (no-break, em, ideographic …) become the plain one. Tabs stay."""
    return re.subn("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", " ", text)


def trim(text: str) -> tuple[str, int]:
    """No spaces at a line's end, at most one empty line in a row, none around the text."""
    trimmed = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    trimmed = re.sub(r"\n{3,}", "\n\n", trimmed).strip("\n")
    return trimmed, len(text) - len(trimmed)


def nobody(address: str) -> str:
    """Why what is shaped like an address is no person's, or "" where it may be one's."""
    name, _, domain = address.lower().partition("@")
    ending = domain.rpartition(".")[2]
    if FILE_ENDING.fullmatch(ending):
        return f"a file's name: .{ending} is no domain"
    if ACCOUNT.fullmatch(name):
        return f"an account of a program or an office: {name}"
    return ""


def mask_emails(text: str) -> tuple[str, int]:
    """Addresses belong to people who never agreed to be in a training set: `<email>` instead."""
    masked = 0

    def mask(found: re.Match) -> str:
        nonlocal masked
        if nobody(found[0]):
            return found[0]
        masked += 1
        return EMAIL_MASK

    return EMAIL.sub(mask, text), masked


STEPS = {
    "encoding repaired": repair_encoding,
    "line ends": line_ends,
    "invisible characters": remove_invisible,
    "characters composed": compose,
    "unusual spaces": spaces,
    "blank space trimmed": trim,
    "e-mail addresses masked": mask_emails,
}
