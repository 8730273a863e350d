"""What a `tokenizer.json` does to a text before any merge: its normalizer and its pre-tokenizers.

Each is named in the file; those of the byte-level families are here, others are refused by name.
"""

import unicodedata
from collections.abc import Callable

import regex

from course_lib.data.tokenization.pretokenize import GPT2

Cut = Callable[[str], list[str]]


def normalizer(state: dict | None, name: str) -> Callable[[str], str]:
    """None: the text as it is; NFC, NFD, NFKC, NFKD: Unicode's forms. Else ValueError."""
    if state is None:
        return str
    kind = state.get("type")
    if kind == "Sequence":
        steps = [normalizer(step, name) for step in state["normalizers"]]

        def all_steps(text: str) -> str:
            for step in steps:
                text = step(text)
            return text

        return all_steps
    if kind in ("NFC", "NFD", "NFKC", "NFKD"):
        return lambda text: unicodedata.normalize(kind, text)
    raise ValueError(f"{name}: normalizer is {kind!r}, expected none, or NFC, NFD, NFKC or NFKD")


def cutter(state: dict | None, name: str) -> Cut:
    """What cuts a text as the file's pre-tokenizer does; it must end in bytes.

    Raises ValueError for a kind that isn't covered, or where nothing makes bytes of the text.
    """
    cut, makes_bytes = _cut(state, name)
    if not makes_bytes:
        raise ValueError(f"{name}: pre_tokenizer has no ByteLevel: only byte-level BPE is read")
    return cut


def _cut(state: dict | None, name: str) -> tuple[Cut, bool]:
    kind = (state or {}).get("type")
    if kind == "Sequence":
        steps = [_cut(step, name) for step in state["pretokenizers"]]

        def all_steps(text: str) -> list[str]:
            pieces = [text]
            for step, _ in steps:
                pieces = [part for piece in pieces for part in step(piece)]
            return pieces

        return all_steps, any(makes for _, makes in steps)
    if kind == "ByteLevel":
        cut = GPT2.split if state.get("use_regex", True) else _whole
        return (_with_space(cut) if state.get("add_prefix_space") else cut), True
    if kind == "Digits":
        one = r"\p{N}" if state.get("individual_digits") else r"\p{N}+"
        return isolated(one), False
    if kind == "Split":
        pattern = state["pattern"]
        asked = (state.get("behavior"), bool(state.get("invert")))
        if asked not in (("Isolated", False), ("Removed", True)):
            raise ValueError(
                f"{name}: Split has behavior {asked[0]!r} and invert {asked[1]}, expected "
                "'Isolated' and False"
            )
        expression = pattern.get("Regex") or regex.escape(pattern["String"])
        return isolated(expression, only_matches=asked[1]), False
    raise ValueError(
        f"{name}: pre_tokenizer is {kind!r}, expected ByteLevel, Digits, Split or several"
    )


def isolated(expression: str, only_matches: bool = False) -> Cut:
    """Each match a piece of its own, and what is between two matches one too."""
    find = regex.compile(expression).finditer

    def cut(text: str) -> list[str]:
        pieces, at = [], 0
        for match in find(text):
            if match.start() > at and not only_matches:
                pieces.append(text[at : match.start()])
            if match.end() > match.start():
                pieces.append(match.group())
            at = match.end()
        if at < len(text) and not only_matches:
            pieces.append(text[at:])
        return pieces

    return cut


def _whole(text: str) -> list[str]:
    return [text]


def _with_space(cut: Cut) -> Cut:
    return lambda text: cut(text if text.startswith(" ") else " " + text)
