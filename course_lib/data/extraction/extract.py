"""The text of a web page without the page around it: a naive stripper, and an extractor by density.

The extractor cuts a page into blocks as a browser would draw them, and keeps a block by how many
words it and its neighbours have and how many of those stand in links: the decision tree of
Kohlschütter, Fankhauser and Nejdl (2010), "Boilerplate Detection using Shallow Text Features",
algorithm 2. Deviations: what names its own role, by its tag (`nav`, `footer` …) or by a class or id
(`cookie`, `comments` …), is dropped before the tree is asked; code, list items and table rows stay
where the text before them stays; and a heading stays if text that stays follows it.
"""

import html
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from html.parser import HTMLParser

UNSEEN = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "head",
        "select",
        "iframe",
        "textarea",
        "button",
        "object",
        "canvas",
    }
)
ROLES = frozenset({"nav", "footer", "aside", "form", "menu", "dialog"})
BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    }
)
EMPTY = frozenset(
    {
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    }
)
HINT = re.compile(r"cookie|consent|comment|sidebar|related|share|social|newsletter|promo|\bads?\b")
FOLLOWERS = frozenset({"pre", "tr", "caption", "li"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


@dataclass
class Block:
    """A piece of text between two breaks, the tag it stands in, and what its links hold."""

    text: str
    tag: str
    linked: int  # words inside links
    role: str = ""  # the nearest tag around it that names its own role
    hint: str = ""  # the nearest class or id around it that does
    words: int = field(init=False)

    def __post_init__(self):
        self.words = len(self.text.split())

    @property
    def link_density(self) -> float:
        return min(1.0, self.linked / self.words) if self.words else 0.0


def strip_tags(page: str) -> str:
    """The naive stripper: cut out what looks like a tag, turn entities into characters."""
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def blocks(page: str) -> list[Block]:
    """The visible blocks of a page, in order. Tags that are never closed do no harm."""
    parser = _Blocks()
    parser.feed(page)
    parser.close()
    parser.flush()
    return parser.found


def extract(page: str, *, density: bool = True, roles: bool = True, hints: bool = True) -> str:
    """The main text, a block a line. Switch off a clue to see what it is worth."""
    found = [
        block for block in blocks(page) if not (roles and block.role) and not (hints and block.hint)
    ]
    kept = content(found) if density else [True] * len(found)
    return "\n".join(block.text for block, keep in zip(found, kept, strict=True) if keep)


def content(found: Sequence[Block]) -> list[bool]:
    """Which blocks are content, by the decision tree, then by their neighbours."""
    nothing = Block("", "", 0)
    around = [nothing, *found, nothing]
    kept = [_by_density(*around[i : i + 3]) for i in range(len(found))]
    for i, block in enumerate(found):  # items and rows have few words a block and no sentences
        if block.tag in FOLLOWERS and not kept[i] and block.link_density < 0.33:
            kept[i] = any(kept[max(0, i - 2) : i])
    for i in range(len(found) - 2, -1, -1):
        if found[i].tag in HEADINGS:
            kept[i] = kept[i + 1] and found[i].link_density < 0.33
    return kept


def _by_density(before: Block, block: Block, after: Block) -> bool:
    """Algorithm 2 of the paper, with its thresholds, which were learned from news pages."""
    if block.link_density > 1 / 3:
        return False
    if before.link_density > 5 / 9:
        return block.words > 40 or after.words > 17
    return block.words > 16 or after.words > 15 or before.words > 4


class _Blocks(HTMLParser):
    """Text between block tags, with what stands around it. Never raises on any page."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found: list[Block] = []
        self._open: list[tuple[str, str]] = []  # tags that are open, with the hint of each
        self._parts: list[str] = []
        self._linked = 0

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag in BLOCKS:
            self.flush()
            self._close_implied(tag)
        if tag == "br":
            self._parts.append("\n" if self._inside({"pre"}) else " ")
        if tag in ("td", "th"):
            self._parts.append(" ")
        if tag not in EMPTY:
            named = " ".join(value or "" for name, value in attrs if name in ("class", "id"))
            found = HINT.search(named.lower())
            self._open.append((tag, found[0] if found and tag not in ("html", "body") else ""))

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        if tag in BLOCKS or tag == "br":
            self._parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.flush()
        if self._inside({tag}):  # close it, and whatever was left open inside
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._inside(UNSEEN):
            self._parts.append(data)
            if self._inside({"a"}):
                self._linked += len(data.split())

    def flush(self) -> None:
        text = "".join(self._parts)
        code = self._inside({"pre"})
        text = text.strip("\n") if code else " ".join(text.split())
        if text.strip():
            tags = [tag for tag, _ in reversed(self._open)]
            self.found.append(
                Block(
                    text,
                    "pre" if code else next((tag for tag in tags if tag in BLOCKS), ""),
                    self._linked,
                    next((tag for tag in tags if tag in ROLES), ""),
                    next((hint for _, hint in reversed(self._open) if hint), ""),
                )
            )
        self._parts, self._linked = [], 0

    def _inside(self, tags: Set[str]) -> bool:
        return any(tag in tags for tag, _ in self._open)

    def _close_implied(self, tag: str) -> None:
        """A block tag ends an open paragraph or link; an item ends the item before it."""
        closed_by = {
            "p": BLOCKS,
            "a": BLOCKS,
            "li": {"li"},
            "dt": {"dt", "dd"},
            "dd": {"dt", "dd"},
            "tr": {"tr"},
            "td": {"tr"},
            "th": {"tr"},
        }
        while self._open and tag in closed_by.get(self._open[-1][0], ()):
            self._open.pop()
