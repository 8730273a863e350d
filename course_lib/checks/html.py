"""A check's report as HTML, for the output of a notebook's cell.

Colours are given inline and legible on a white page and on a dark one alike (JupyterLab, Colab and
the book each bring their own): text keeps the page's own colour, green and red are a bar, a tint
and the words "passed" and "not yet", so that nothing is said by colour alone. What comes from the
learner's code is escaped.
"""

from html import escape

GREEN, RED = "0,158,115", "213,94,0"  # the hues of Okabe and Ito, told apart by the colour-blind
_BOX = "border-left:4px solid rgb({hue});background:rgba({hue},.1);padding:.5em .8em;margin:.3em 0"
_VALUES = (
    "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.875em;line-height:1.5;"
    "white-space:pre-wrap;overflow-wrap:anywhere;margin:.15em 0 .15em 1.4em"
)


def as_html(report) -> str:
    """The same lines as the report's text: title, what holds, the first fault, its likely name."""
    hue, word = (GREEN, "passed") if report.passed else (RED, "not yet")
    head = (
        f'<div style="font-weight:600">{_mark(report.passed)} {escape(report.title)}: {word}</div>'
    )
    lines = "".join(_line(good, text) for good, text in report.lines())
    box = _BOX.format(hue=hue) + ";overflow-x:auto;max-width:100%;text-align:left;line-height:1.5"
    return f'<div class="course-check" style="{box}">{head}{lines}</div>'


def _mark(good: bool) -> str:
    return f'<span aria-hidden="true">{"✓" if good else "✗"}</span>'


def _line(good: bool, text: str) -> str:
    """One line in the page's type, and what is indented below it, word for word, in another."""
    first, _, rest = text.partition("\n")
    said = f'<div style="margin-top:.2em">{_mark(good)} {escape(first)}</div>'
    below = "\n".join(line.removeprefix("    ") for line in rest.splitlines())
    if not below:
        return said
    if first == "This looks familiar":  # a sentence, not a value
        return said + f'<div style="margin:.15em 0 .15em 1.4em">{_sentence(below)}</div>'
    return said + f'<div style="{_VALUES}">{escape(below)}</div>'


def _sentence(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its twin is only itself
        return escape(text)
    style = "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.9em"
    return "".join(
        f'<span style="{style}">{escape(part)}</span>' if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )
