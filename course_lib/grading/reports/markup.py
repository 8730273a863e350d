"""HTML that can't be broken out of: every text is escaped unless this file made it."""

import base64
import hashlib
from collections.abc import Collection
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff;
  --card: #f6f8fa; --line: #d0d7de; --good: #0b6b4f; --bad: #a8321b; --bar: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9ea7b3; --paper: #0d1117;
  --card: #161b22; --line: #30363d; --good: #4cc9a0; --bad: #ff9b80; --bar: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 56rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .75rem 1rem; margin: 1rem 0; } .card h2 { margin-top: 0; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.stamp { border: 2px solid var(--bad); color: var(--bad); padding: .5rem 1rem; font-weight: 600; }
ul.tests { list-style: none; padding: 0; } ul.tests li { padding-left: 1.4rem; text-indent: -1.4rem; }
pre { white-space: pre-wrap; background: var(--paper); border: 1px solid var(--line);
  padding: .5rem; margin: .5rem 0; font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; min-width: 36rem;
  font-size: .9rem; overflow-wrap: break-word; } th, td.n, td.name { white-space: nowrap; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
a { color: var(--bar); } pre.code { white-space: pre; overflow-x: auto; overflow-wrap: normal; }
details summary { cursor: pointer; } th button { all: unset; cursor: pointer; }
th button:hover, th button:focus-visible { text-decoration: underline; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
.filter { display: flex; gap: .5rem; align-items: baseline; flex-wrap: wrap; }
.filter input { font: inherit; padding: .2rem .4rem; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui; }
svg rect { fill: var(--bar); } svg line { stroke: var(--soft); }
"""  # noqa: E501
# Nothing is loaded, and nothing runs but a script named by its hash, even if a text should get
# through as markup.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Safe(str):
    """Markup made here."""


def tag(name: str, *children: object, **attributes: object) -> Safe:
    """An element. Children and attributes are escaped, but for what `tag` itself made.

    ``class_`` stands for class, ``text_anchor`` for text-anchor.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    return Safe(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*children: object) -> Safe:
    """Several pieces, one after the other."""
    return Safe("".join(c if isinstance(c, Safe) else escape(str(c)) for c in children))


def table(
    head: list[str],
    rows: list[list[object]],
    numbers: Collection[int] = (),
    sortable: bool = False,
) -> Safe:
    """A table that scrolls on a phone; columns in ``numbers`` stand at the right.

    Short cells don't wrap: only a long text gives way. sortable: see `sorting`.
    """

    def line(kind: str, cells: list[object]) -> Safe:
        made = []
        for i, cell in enumerate(cells):
            if i in numbers:
                made.append(tag(kind, cell, class_="n"))
            else:
                short = isinstance(cell, Safe) or len(str(cell)) <= 40
                made.append(tag(kind, cell, class_="name" if short else "long"))
        return tag("tr", *made)

    body = [line("td", row) for row in rows]
    parts = tag("thead", line("th", head)), tag("tbody", *body)
    whole = tag("table", *parts, class_="sortable") if sortable else tag("table", *parts)
    return tag("div", whole, class_="wide")


def page(title: str, *body: object, script: str = "") -> str:
    """A whole page in one file, for light and dark screens, wide and narrow ones.

    script: runs at the end; the page's policy lets no other run.
    """
    policy, end = POLICY, Safe("")
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy, end = f"{POLICY}; script-src 'sha256-{digest}'", tag("script", Safe(script))
    head = joined(
        Safe('<meta charset="utf-8">'),
        Safe('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Safe(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("title", title),
        tag("style", Safe(STYLE)),
    )
    whole = f"<head>{head}</head><body>{joined(*body, end)}</body>"
    return f'<!doctype html>\n<html lang="en">{whole}</html>\n'
