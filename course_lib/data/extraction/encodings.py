"""Which encoding a page's bytes are in: what it declares, what it is, and how the two differ.

The order is that of browsers (WHATWG, "Encoding" and "Determining the character encoding"), with
one change: valid UTF-8 wins over every declaration but a byte-order mark. Text that isn't UTF-8
almost never happens to be valid UTF-8, while servers and templates often declare what was true
years ago.
"""

import codecs
import re
from dataclasses import dataclass

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
HEAD = 1024  # bytes in which browsers look for the declaration
# Pages that say Latin-1 or ASCII are written on Windows: browsers read them as Windows-1252.
WIDENED = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "iso8859-9": "cp1254",
    "euc_kr": "cp949",
}
READ = re.compile(
    r"utf-8|utf-16(-[lb]e)?|iso8859-\d+|cp\d+|koi8-[ru]|mac-\w+"
    r"|big5(hkscs)?|gb18030|euc_\w+"
)


@dataclass(frozen=True)
class Decoded:
    """A text, its encoding, who decided it, and what the page had declared.

    `decided_by`: "mark", "content", "server", "page" or "nobody". `wrong`: a declaration was there,
    and is not what the bytes are. `damaged`: characters that no reading could save, as U+FFFD.
    """

    text: str
    charset: str
    decided_by: str
    declared: str = ""
    wrong: bool = False
    damaged: int = 0


def decode(data: bytes, server: str = "", *, html: bool = True) -> Decoded:
    """Bytes as text, whatever they are: it never raises. `server`: the HTTP header's charset.

    First a byte-order mark; then UTF-8 if every byte fits; then the server's word, the page's
    own (`<meta charset>`), and at last Windows-1252, which reads any byte. A word of UTF-8 is taken
    where half of what isn't ASCII fits, and where nobody says anything UTF-8 is if most does: one
    bad byte costs one character, not the page.
    """
    found = META.search(data[:HEAD]) if html else None
    page = found[1].decode("ascii") if found else ""
    declared = server or page
    for mark, name in MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(name, "replace")
            return _result(text, name, "mark", declared)
    try:
        return _result(data.decode("utf-8"), "utf-8", "content", declared)
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(not character.isascii() for character in text) - bad
    for decided_by, label in (("server", server), ("page", page), ("content", "utf-8")):
        name = python_name(label)
        if name == "utf-8" and (good > bad or (declared and good == bad)):
            return _result(text, name, decided_by, declared)
        if name and name != "utf-8":
            return _result(data.decode(name, "replace"), name, decided_by, declared)
    return _result(data.decode("cp1252", "replace"), "cp1252", "nobody", declared)


def python_name(label: str) -> str:
    """Python's name of the encoding that browsers take for a label, or "" for an unknown one.

    Labels of codecs that aren't text encodings (`base64`, `rot13`) and of those that no browser
    reads (`utf-7`, `unicode_escape`) are unknown: a page must not choose what decodes it.
    """
    try:
        info = codecs.lookup(label.strip())
    except (LookupError, ValueError):
        return ""
    name = WIDENED.get(info.name, info.name)
    return name if READ.fullmatch(name) else ""


def _result(text: str, name: str, decided_by: str, declared: str) -> Decoded:
    wrong = bool(declared) and python_name(declared) != name and not text.isascii()
    return Decoded(text, name, decided_by, declared, wrong, text.count("\ufffd"))
