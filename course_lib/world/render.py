"""The grammar and its documents as HTML. Plain strings: pages display them."""

import re
from html import escape

from course_lib.world.score import Score
from course_lib.world.world import Document

# The grammar at a glance: <chosen>, [decided by the world], {may be left out or repeated}.
PATTERNS = {
    "bio": "<a known person> <says> [fact] . {<name, she or he> <says> [fact] .}",
    "tale": (
        "<opening> <person> was in the <room> {and <person> was in the <room>} . "
        "The <thing> was in the <room> . {<goes, takes or drops> . {So the [thing] is in the "
        "[room] .}} Where is <thing or person> ? [thing or person] is in the [room] ."
    ),
    "count": (
        "<person> has <1 to 20> <things> . {<person> <brings or takes> <1 to 9> [more or away] "
        "{, now [total]} .} How many [things] does [person] have? {[sum] is [result] .} "
        "[person] has [total] [things] ."
    ),
    "quiz": "{Question: <a question of the train split> ? Answer: [answer] .}",
}
_PART = re.compile(r"<([^>]+)>|\[([^\]]+)\]|([{}])|([^<>\[\]{}]+)")

_BOX = "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.875em;line-height:1.9"
_CHOSEN = "background:rgba(213,94,0,.28);border-radius:3px;padding:0 .25em"
_DECIDED = "background:rgba(0,158,115,.30);border-radius:3px;padding:0 .25em"
_FULL = 6.0  # nats of the deepest tint


def pattern_regex(pattern: str) -> str:
    """A pattern as a regular expression; a test holds the picture to the grammar with it."""
    parts = []
    for chosen, decided, brace, words in _PART.findall(pattern):
        if chosen or decided:
            parts.append(r"[\w, ]+?")
        elif brace:
            parts.append("(?:(?>" if brace == "{" else "))*")
        else:
            parts.append(r"\s*".join(map(re.escape, words.split())))
    return r"\s*".join(part for part in parts if part)


def grammar_html(caption: str) -> str:
    """The four kinds of document as rows of chips."""
    rows = []
    for kind, pattern in PATTERNS.items():
        chips = []
        for chosen, decided, brace, words in _PART.findall(pattern):
            tint = _CHOSEN if chosen else _DECIDED if decided else ""
            text = chosen or decided or {"{": "( ", "}": " )*"}.get(brace, words)
            chips.append(f'<span style="{tint}">{escape(text)}</span>' if tint else escape(text))
        rows.append(
            f'<p style="{_BOX};margin:.5rem 0"><strong>{kind}</strong> → {"".join(chips)}</p>'
        )
    legend = (
        f'Tints: <span style="{_CHOSEN}">chosen at random</span> '
        f'<span style="{_DECIDED}">decided by the world</span>; ( )* may be left out or repeated.'
    )
    return (
        f'<figure style="margin:1rem 0">{"".join(rows)}<figcaption '
        f'style="text-align:left;font-size:.9em">{escape(caption)} {legend}</figcaption></figure>'
    )


def grammar_text() -> str:
    return "\n".join(f"{kind} -> {pattern}" for kind, pattern in PATTERNS.items())


def surprisal_html(documents: list[Document], caption: str) -> str:
    """Each span on a tint as deep as its surprisal; pointing at one shows its tag and nats."""
    blocks = [_document_html(document) for document in documents]
    return (
        '<figure style="margin:1rem 0">'
        f'{"".join(blocks)}<figcaption style="text-align:left;font-size:.9em">{escape(caption)} '
        f"Scale: {_scale()}</figcaption></figure>"
    )


def surprisal_text(documents: list[Document]) -> str:
    """The same for a terminal: surprisals of more than 0.005 nats stand in brackets."""
    lines = []
    for document in documents:
        spans = [s.text + (f"[{s.nats:.2f}]" if s.nats > 0.005 else "") for s in document.spans]
        lines.append(f"{document.kind}, {document.nats:.1f} nats: {''.join(spans)}")
    return "\n\n".join(lines)


def score_html(text: str, score: Score) -> str:
    """A text up to where it can be followed, then the rest marked, then the verdict."""
    good, bad = escape(text[: score.reached]), escape(text[score.reached :])
    marked = f"<mark style='{_tint(_FULL)}'>{bad or '&nbsp;■&nbsp;'}</mark>"
    verdict = escape(f"{score.nats:.2f} nats" if score.possible else score.reason)
    return (
        f'<p style="{_BOX};overflow-wrap:anywhere;white-space:pre-line;margin:.4rem 0 0">{good}'
        f'{"" if score.possible else marked}</p><p style="margin:0 0 .8rem 1rem">→ {verdict}</p>'
    )


def _tint(nats: float) -> str:
    depth = 0.55 * min(nats / _FULL, 1.0)
    return f"background:rgba(213,94,0,{depth:.2f});color:inherit;border-radius:3px"


def _document_html(document: Document) -> str:
    spans = []
    for span in document.spans:
        text = escape(span.text) or "■"
        title = f"{span.tag}: {span.nats:.2f} nats"
        spans.append(f'<span style="{_tint(span.nats)}" title="{title}">{text}</span>')
    size = len(document.text.encode())
    return (
        f'<p style="margin:.6rem 0 0"><strong>{document.kind}</strong> · {document.nats:.1f} nats, '
        f'{size} bytes</p><p style="{_BOX};white-space:pre-wrap;overflow-wrap:anywhere;margin:0">'
        f"{''.join(spans)}</p>"
    )


def _scale() -> str:
    steps = (0.0, 1.0, 2.0, 4.0, _FULL)
    return (
        " ".join(f'<span style="{_tint(n)};padding:0 .3em">{n:g}</span>' for n in steps) + " nats"
    )
