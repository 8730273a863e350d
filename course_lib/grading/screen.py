"""Two filters: for forbidden names in a student's source, and for hidden values in a report.

The source is read token by token, never parsed or run here: a hostile one can crash the parser.
"""

import ast
import contextlib
import io
import re
import tokenize
import unicodedata
from collections.abc import Sequence

# Sentences of a report that give no hidden value away. Students get to read these and no others.
HARMLESS = re.compile(
    r"Your function changed its argument in place: copy it first\."
    r"|Your function returned None: is there a `return`\?"
    r"|Your shape is \([\d, ]*\), expected \([\d, ]*\)\."
    r"|Your tensor holds \w+ \(\w+\), expected \w+ \(\w+\)\."
    r"|\d+ of your \d+ values are NaN\."
    r"|You returned a \w+, expected a tensor \([\d, ]*\) \w+\."
    r"|You returned \d+ parts, expected \d+\."
    r"|You returned one \w+, expected \d+ values\."
    r"|What your function returned can't be used: \w+"
    r"|\d+ of \d+ values differ\."
    r"|expected it to raise \w+\."
    r"|The values are right, but the gradient of \w+ is another\."
    r"|The values are right, but the gradient of \w+ does not reach it: is something detached, or "
    r"taken out with \.item\(\)\?"
    r"|What your function sent can't be read: [^\n]{,200}"
)
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
MAX_MESSAGE, MAX_NUMBERS = 300, 6
LOOKS_UP = {
    "getattr",
    "eval",
    "exec",
    "__import__",
    "importlib",
    "__dict__",
    "vars",
    "globals",
    "attrgetter",
}
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control characters, text direction, half surrogates …


def clean(text: str) -> str:
    """A student's text without escape sequences and invisible characters."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in UNSEEN)


def without_values(detail: str) -> str:
    """What was found, in the sentences that give no hidden input and no right value away."""
    if detail.startswith("It raised "):
        return without_values_in_error(detail)
    said = [match.group() for match in HARMLESS.finditer(detail)]
    if detail and not said:
        return "The value is another."
    return " ".join(sentence[:1].upper() + sentence[1:] for sentence in said)


def without_values_in_error(text: str) -> str:
    """An answer's own traceback; its message is cut where it holds too much.

    A deliberate message can still carry something out. It is of no use: the inputs belong to this
    very text of the answer (`judge.seeds_for`).
    """
    head, found, frames = text.partition('\n  File "your answer"')
    count = 0

    def shown(match: re.Match) -> str:
        nonlocal count
        count += 1
        return match.group() if count <= MAX_NUMBERS else "…"

    head = head.partition("\n  File ")[0]
    return NUMBER.sub(shown, head[:MAX_MESSAGE]) + found + frames


def forbidden_in(source: str, forbidden: Sequence[str]) -> list[str]:
    """The forbidden names that a source uses: after a dot, imported, or spelled in a text where it
    gets at names by text. A variable of its own may be called so."""
    used = _read(source)
    names = used["dotted"] | used["imported"]
    if "*" in names:  # from … import *
        names |= used["bare"]
    if not LOOKS_UP.isdisjoint(names | used["bare"]):
        names |= used["spelled"]
    return [name for name in forbidden if name in names]


def looks_names_up(source: str) -> bool:
    """Does the source get at names by text?"""
    used = _read(source)
    return not LOOKS_UP.isdisjoint(used["bare"] | used["dotted"] | used["imported"])


def _read(source: str) -> dict[str, set[str]]:
    """The words of a source by where they stand. One that isn't Python won't load either."""
    found: dict[str, set[str]] = {"bare": set(), "dotted": set(), "imported": set()}
    found["spelled"], before, importing = set(), tokenize.NEWLINE, False
    last = ""
    with contextlib.suppress(tokenize.TokenError, SyntaxError, ValueError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                name = unicodedata.normalize("NFKC", token.string)
                importing = importing or name == "import"
                where = "imported" if importing else "dotted" if last == "." else "bare"
                found[where].add(name)
            elif importing and token.string == "*":
                found["imported"].add("*")
            elif token.type == tokenize.STRING and before not in LINE_STARTS:
                found["spelled"].update(re.findall(r"\w+", _text(token.string)))
            elif tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
                found["spelled"].update(re.findall(r"\w+", token.string))
            if token.type not in (tokenize.NL, tokenize.COMMENT):
                before, last = token.type, token.string
            importing = importing and token.type != tokenize.NEWLINE and token.string != ";"
    return found


LINE_STARTS = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)


def _text(literal: str) -> str:
    """What a literal stands for, escapes undone."""
    try:
        return str(ast.literal_eval(literal))
    except (ValueError, SyntaxError):  # an f-string
        return literal
