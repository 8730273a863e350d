"""Tables, tokens, texts and dialogues for the pages, as small accessible HTML.

Everything here displays at once and returns None, so it may stand anywhere in a cell. Each display
also carries a plain-text form, for terminals and for readers without HTML. Colours are given
inline, half transparent over the page's own background, so that they serve light and dark pages in
the book, in JupyterLab and in Colab alike. No script, font or image is fetched from anywhere.
"""

import html as _html
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

from IPython import get_ipython
from IPython.display import display

TINTS = (
    "rgba(86,180,233,.30)",  # the hues of Okabe and Ito, as tints
    "rgba(230,159,0,.30)",
    "rgba(0,158,115,.28)",
    "rgba(204,121,167,.32)",
    "rgba(240,228,66,.24)",
    "rgba(213,94,0,.28)",
)
_BREAK = "\u200b"
_SCROLL = "overflow-x:auto;max-width:100%"
_MONO = "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.875em;line-height:1.75"
_PRE = f"{_MONO};white-space:pre-wrap;overflow-wrap:anywhere;margin:0;text-align:left"


def html(markup: str, text: str = "") -> None:
    """Display HTML, with `text` as what a terminal or a plain reader shows instead."""
    if get_ipython() is None:
        print(text or markup)
        return
    display({"text/html": markup, "text/plain": text or markup}, raw=True)


def escape(value: object) -> str:
    return _html.escape(str(value), quote=True)


def figcaption(caption: str) -> str:
    return (
        '<figcaption class="course-caption" style="text-align:left;font-size:.9em">'
        f"{escape(caption)}</figcaption>"
    )


def table(
    rows: Iterable[Mapping[str, object]],
    caption: str,
    *,
    formats: Mapping[str, str] | None = None,
    note: str = "",
) -> None:
    """Rows of a table: the keys of the first row are the columns, the first column names the row.

    `formats` gives a column's format ("{:.2f}", "{:.0%}"); other numbers get four significant
    digits, and None is drawn as a dash. Raises ValueError without rows or without a caption.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("rows is empty: a table needs at least one row")
    if not caption.strip():
        raise ValueError("caption is empty: say in a sentence what the table shows")
    columns = list(rows[0])
    formats = formats or {}
    cells = [[cell(row.get(name), formats.get(name)) for name in columns] for row in rows]
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    html(_table_html(columns, cells, numeric, caption, note), _table_text(columns, cells, caption))


def cell(value: object, spec: str | None = None) -> str:
    """How a value is written: counts with separators, floats with four significant digits."""
    if value is None:
        return "–"
    if spec is not None and _is_number(value):
        return spec.format(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        number = float(value)
        if number != 0 and not 1e-3 <= abs(number) < 1e7:
            return f"{number:.2e}"
        return f"{number:,.0f}" if abs(number) >= 1e4 else f"{number:.4g}"
    return str(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))


def _table_html(
    columns: list[str], cells: list[list[str]], numeric: list[bool], caption: str, note: str
) -> str:
    align = ["text-align:right" if number else "text-align:left" for number in numeric]
    head = "".join(
        f'<th scope="col" style="{side}">{escape(name)}</th>'
        for name, side in zip(columns, align, strict=True)
    )
    body = []
    for row in cells:
        first = f'<th scope="row" style="{align[0]};font-weight:600">{_breakable(row[0])}</th>'
        rest = "".join(
            f'<td style="{side}">{_breakable(value)}</td>'
            for value, side in zip(row[1:], align[1:], strict=True)
        )
        body.append(f"<tr>{first}{rest}</tr>")
    foot = f'<p class="course-note" style="font-size:.85em">{escape(note)}</p>' if note else ""
    return (
        f'<div class="course-table" role="region" tabindex="0" aria-label="{escape(caption)}" '
        f'style="{_SCROLL}"><table><caption style="caption-side:top;text-align:left">'
        f"{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>{foot}</div>"
    )


def _breakable(text: str) -> str:
    """The text escaped, its long names (a.b.c_d) allowed to wrap, so that columns stay narrow."""

    def wrap(match: re.Match) -> str:
        return escape(re.sub(r"(?<=[._(=/])(?=\w)", _BREAK, match[0])).replace(_BREAK, "<wbr>")

    return re.sub(r"\S+", lambda m: wrap(m) if len(m[0]) > 15 else escape(m[0]), text)


def _table_text(columns: list[str], cells: list[list[str]], caption: str) -> str:
    lines = [columns, *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    drawn = ["  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([caption, *drawn])


def tokens(
    pieces: Sequence[str],
    caption: str,
    *,
    ids: Sequence[int] | None = None,
    kinds: Sequence[str] | None = None,
) -> None:
    """Text cut into tokens, each in a tinted box; hovering shows its id.

    With `kinds` (one name a token, say "prompt" or "answer") the tint tells the kind and a legend
    explains it; without, tints alternate so that neighbours can be told apart.
    Spaces are drawn as · and line ends as ⏎.
    """
    for name, values in (("ids", ids), ("kinds", kinds)):
        if values is not None and len(values) != len(pieces):
            raise ValueError(f"{name} has {len(values)} entries for {len(pieces)} tokens")
    names = list(dict.fromkeys(kinds or ()))
    spans = []
    for i, piece in enumerate(pieces):
        tint = TINTS[names.index(kinds[i]) % len(TINTS)] if kinds else TINTS[i % len(TINTS)]
        title = f' title="id {ids[i]}"' if ids is not None else ""
        ends = "<br>" if "\n" in piece else ""
        spans.append(f"<span{title} style='{_token_style(tint)}'>{visible(piece)}</span>{ends}")
    legend = " ".join(
        f"<span style='{_token_style(TINTS[i % len(TINTS)])}'>{escape(name)}</span>"
        for i, name in enumerate(names)
    )
    _figure(
        f'<div style="{_MONO};overflow-wrap:anywhere">{"".join(spans)}</div>'
        + (f'<div style="{_MONO}">Legend: {legend}</div>' if legend else ""),
        caption,
        "|".join(pieces),
    )


def _token_style(tint: str) -> str:
    return f"background:{tint};border-radius:.25em;padding:.1em .05em;margin-right:1px"


def visible(piece: str) -> str:
    """A token's text with its white space made visible, escaped for HTML."""
    return escape(piece).replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥")


def texts(samples: Iterable[tuple[str, str]], caption: str) -> None:
    """Labelled pieces of text, one below the other: documents, or a model's samples."""
    samples = list(samples)
    parts = [
        '<div style="border-left:3px solid rgba(86,180,233,.7);padding:.3em .8em;margin:.6em 0">'
        f'<div style="font-size:.85em;font-weight:600;overflow-wrap:anywhere">{escape(label)}</div>'
        f'<div style="{_PRE}">{escape(text)}</div></div>'
        for label, text in samples
    ]
    plain = "\n\n".join(f"[{label}]\n{text}" for label, text in samples)
    _figure("".join(parts), caption, plain)


def chat(messages: Iterable[Mapping[str, str]], caption: str) -> None:
    """A dialogue: messages of {"role", "content"}, as bubbles with the speaker named."""
    messages = list(messages)
    parts = []
    for message in messages:
        user = message["role"] == "user"
        side = "margin-left:0;margin-right:2em" if user else "margin-left:2em;margin-right:0"
        parts.append(
            f'<div style="background:{TINTS[0 if user else 2]};border-radius:.6em;'
            f'padding:.4em .8em;margin-top:.4em;{side}">'
            f'<div style="font-size:.8em;font-weight:600">{escape(message["role"])}</div>'
            f'<div style="{_PRE}">{escape(message["content"])}</div></div>'
        )
    plain = "\n".join(f"{message['role']}: {message['content']}" for message in messages)
    _figure("".join(parts), caption, plain)


def _figure(inner: str, caption: str, text: str) -> None:
    if not caption.strip():
        raise ValueError("caption is empty: say in a sentence what is shown")
    html(
        '<figure class="course-figure" style="margin:1rem 0;max-width:100%">'
        f"{inner}{figcaption(caption)}</figure>",
        f"{caption}\n{text}",
    )
