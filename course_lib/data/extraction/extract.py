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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import accumulate

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
RAW = frozenset({"head", "script", "style"})  # hidden also where they are never closed
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
# In <head> stand these alone: whatever else begins ends it, also where </head> was left out.
HEAD = frozenset(
    {"base", "link", "meta", "noscript", "script", "style", "template", "title", "head", "html"}
)
# Whole words of a class or id, `cookie-bar` as well as `cookieBar` and `cookiebar`: a
# `shareholder-letter` and a `commentary` are no buttons to share and no comments.
HINT = re.compile(
    r"(?<![a-z])(?:cookies?(?:bar|banner|notice|consent|policy)?|consent|comments?(?:list|section|area)?"
    r"|(?<!no[-_])(?<!has[-_])(?<!with[-_])(?<!without[-_])sidebars?|related(?:posts|links)?|share(?:bar|buttons?|links)?|sharing|social(?:links|media)?"
    r"|newsletters?|promos?|ads?|adverts?|advertisements?)(?![a-z])"
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
WRAPPER = {"form": 0.5}  # share of a page's words from which an element is the page, not a part
WHOLE = 0.9  # the same for any other role or hint
FOLLOWERS = frozenset({"pre", "tr", "caption", "li"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


@dataclass
class Block:
    """A piece of text between two breaks, the tag it stands in, and what its links hold."""

    text: str
    tag: str
    linked: int  # words inside links
    role: str = ""  # the nearest tag around it that names its own role
    hint: str = ""  # the nearest class or id around it that does; "" for both where it wraps all
    words: int = field(init=False)

    def __post_init__(self):
        self.words = len(self.text.split())

    @property
    def link_density(self) -> float:
        return min(1.0, self.linked / self.words) if self.words else 0.0


def strip_tags(page: str) -> str:
    """The naive stripper: cut out what looks like a tag, turn entities into characters."""
    whole, end, rest = page.rpartition(">")  # behind the last ">" no tag can end: not searched
    return html.unescape(re.sub(r"<[^>]*>", " ", whole + end) + rest)


def blocks(page: str) -> list[Block]:
    """The visible blocks of a page, in order. Tags that are never closed do no harm."""
    parser = _Blocks(page)
    parser.feed_linear(page)
    parser.flush()
    return parser.finished()


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


@dataclass
class _Named:
    """An element that names its own role or has a telling class, and the blocks inside it."""

    name: str
    first: int
    end: int | None = None  # None while it is open


@dataclass(frozen=True)
class _Open:
    """An open tag, with what the tags around it say: nothing is looked up twice."""

    tag: str
    block: str
    role: _Named | None
    hint: _Named | None
    own: tuple[_Named, ...]
    hides: bool  # whether a reader never sees what stands in it


OUTSIDE = _Open("", "", None, None, (), hides=False)


class _Blocks(HTMLParser):
    """Text between block tags, with what stands around it. Never raises on any page.

    Time is linear in the page: an open tag keeps the answer of the tags around it, and how many of
    each are open is counted.
    """

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.found: list[Block] = []
        self._names: list[tuple[_Named | None, _Named | None]] = []  # role and hint of each block
        self._open: list[_Open] = []
        self._count: Counter[str] = Counter()
        self._unseen = 0
        # End tags still to come: what is never closed can't be told from the page, so it is seen.
        self._ends = Counter(tag.lower() for tag in re.findall(r"</([a-zA-Z0-9]+)", page))
        self._parts: list[str] = []
        self._linked = 0

    def feed_linear(self, page: str) -> None:
        """Parse a page without what `HTMLParser` looks for again and again to the page's end.

        A comment that never ends loses its mark, `<![` (CDATA, conditions) becomes the comment that
        browsers take it for, and behind the last ">" a tag that begins can't end: it is dropped.
        """
        closed = page.rfind("-->") + 1
        page = page[:closed] + page[closed:].replace("<!--", " ")
        whole, end, rest = page.replace("<![", "<!").rpartition(">")
        self.feed(whole + end)
        self.close()
        self.handle_data(html.unescape(re.split(r"<[a-zA-Z/!?]", rest, maxsplit=1)[0]))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if self._count["head"] and tag not in HEAD:
            self._close("head")
        if tag in BLOCKS:
            self.flush()
            self._close_implied(tag)
        if tag == "br":
            self._parts.append("\n" if self._count["pre"] else " ")
        if tag in ("td", "th"):
            self._parts.append(" ")
        if tag not in EMPTY:
            named = " ".join(value or "" for name, value in attrs if name in ("class", "id"))
            self._push(tag, "" if tag in ("html", "body") else named)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        if tag in BLOCKS or tag == "br":
            self._parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._ends[tag] -= 1
        if tag in BLOCKS:
            self.flush()
        if self._count[tag]:
            self._close(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1].tag == "head" and data.strip():
            self._close("head")  # text straight in it is the page's
        if not self._unseen:
            self._parts.append(data)
            if self._count["a"]:
                self._linked += len(data.split())

    def flush(self) -> None:
        text = "".join(self._parts)
        code = self._count["pre"] > 0
        text = text.strip("\n") if code else " ".join(text.split())
        if text.strip():
            inner = self._open[-1] if self._open else OUTSIDE
            self.found.append(Block(text, "pre" if code else inner.block, self._linked))
            self._names.append((inner.role, inner.hint))
        self._parts, self._linked = [], 0

    def finished(self) -> list[Block]:
        """The blocks with their roles and hints, but for those of an element that holds the page.

        A page inside one <form> (every page of ASP.NET) is no form, and a wrapper of class
        `with-sidebar` no sidebar.
        """
        before = [0, *accumulate(block.words for block in self.found)]

        def name(element: _Named | None) -> str:
            if element is None:
                return ""
            end = len(self.found) if element.end is None else element.end
            share = (before[end] - before[element.first]) / max(1, before[-1])
            return "" if share >= WRAPPER.get(element.name, WHOLE) else element.name

        for block, (role, hint) in zip(self.found, self._names, strict=True):
            block.role, block.hint = name(role), name(hint)
        return self.found

    def _push(self, tag: str, named: str) -> None:
        around = self._open[-1] if self._open else OUTSIDE
        first = len(self.found)
        role = _Named(tag, first) if tag in ROLES else None
        found = HINT.search(CAMEL.sub("-", named).lower()) if named else None
        hint = _Named(found[0], first) if found else None
        self._open.append(
            _Open(
                tag,
                tag if tag in BLOCKS else around.block,
                role or around.role,
                hint or around.hint,
                tuple(filter(None, (role, hint))),
                hides=tag in UNSEEN and (tag in RAW or self._ends[tag] > 0),
            )
        )
        self._count[tag] += 1
        self._unseen += self._open[-1].hides

    def _pop(self) -> str:
        gone = self._open.pop()
        self._count[gone.tag] -= 1
        self._unseen -= gone.hides
        for element in gone.own:
            element.end = len(self.found)
        return gone.tag

    def _close(self, tag: str) -> None:
        """Close the innermost such tag, and whatever was left open inside."""
        while self._pop() != tag:
            pass

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
        while self._open and tag in closed_by.get(self._open[-1].tag, ()):
            self._pop()
