"""Web pages of our own making, whose main text is known word for word.

Real pages can't travel in a repository, and nobody knows exactly which of their words matter. These
have the parts that make extraction hard: menus, cookie banners, related links, comments, tables,
code, entities, tags that are never closed, and several encodings, declared rightly, wrongly or not.
"""

import html
import random
from collections.abc import Callable
from dataclasses import dataclass

from course_lib.data.extraction.webpage_texts import (
    BANNER,
    COMMENTS,
    FOREIGN,
    INGREDIENTS,
    LINKS,
    MENU,
    SENTENCES,
    STEPS,
    TOPICS,
)


@dataclass(frozen=True)
class Page:
    """A page as a server sends it. `article` is its main text; `charset` what the server says."""

    kind: str
    url: str
    data: bytes
    article: str
    charset: str = ""
    encoding: str = "utf-8"  # what the bytes really are


def web_pages(n: int, seed: int = 0) -> list[Page]:
    """n pages, the kinds of `LAYOUTS` in turn."""
    draw = random.Random(seed)
    kinds = list(LAYOUTS)
    return [_page(kinds[i % len(kinds)], i, draw) for i in range(n)]


def foreign_pages(seed: int = 0) -> list[Page]:
    """One page for each row of ENCODINGS: a language, its bytes, and what is said about them."""
    draw = random.Random(seed)
    pages = []
    for i, (language, encoding, server, meta) in enumerate(ENCODINGS):
        sentences = draw.sample(FOREIGN[language], 5)
        article = " ".join(sentences)
        head = f'<meta charset="{meta}">' if meta else ""
        text = (
            f"<html><head>{head}<title>{language}</title></head><body>{_menu(draw)}"
            f"<article><p>{article}</p></article></body></html>"
        )
        pages.append(
            Page(
                language,
                f"http://pages.example/{language}/{i}",
                text.encode(encoding),
                article,
                server,
                encoding,
            )
        )
    return pages


def _page(kind: str, number: int, draw: random.Random) -> Page:
    title = draw.choice(TOPICS)
    body, article = LAYOUTS[kind](draw, title)
    text = (
        f"<!DOCTYPE html><html><head><title>{title} | Pages</title>"
        f"<style>p {{margin:0}}</style>"
        f'<script>if (1 < 2) document.write("<p>never text</p>");</script></head>'
        f"<body>{body}</body></html>"
    )
    return Page(kind, f"http://pages.example/{number}", text.encode(), article, "utf-8")


def _paragraph(draw: random.Random, topic: str, sentences: int = 4) -> str:
    chosen = draw.sample(SENTENCES, sentences)
    return " ".join(
        sentence.format(topic=topic.lower(), n=draw.randint(3, 90)) for sentence in chosen
    )


def _menu(draw: random.Random, tag: str = "nav") -> str:
    items = "".join(
        f'<li><a href="/{i}">{name}</a></li>' for i, name in enumerate(draw.sample(MENU, 7))
    )
    return f"<{tag} class=menu><ul>{items}</ul></{tag}>"


def _related(draw: random.Random, tag: str = "aside") -> str:
    links = "".join(
        f'<p><a href="/r{i}">{text}</a></p>' for i, text in enumerate(draw.sample(LINKS, 4))
    )
    return f"<{tag}><h3>Read also</h3>{links}</{tag}>"


def _banner() -> str:
    return f'<div id="cookie"><p>{BANNER}</p><button>Accept all</button></div>'


def _footer(tag: str = "footer") -> str:
    return (
        f"<{tag}><p>© Pages. All rights reserved.</p><p><a href=/i>Imprint</a> | "
        f"<a href=/p>Privacy</a></p></{tag}>"
    )


def _comments(draw: random.Random) -> str:
    entries = "".join(
        f"<div class=comment><b>reader {i}</b><p>{text}</p></div>"
        for i, text in enumerate(draw.sample(COMMENTS, 4))
    )
    return f"<section id=comments><h2>Comments</h2>{entries}</section>"


def _prose(draw: random.Random, topic: str, count: int = 4) -> list[str]:
    return [_paragraph(draw, topic) for _ in range(count)]


def _tagged(paragraphs: list[str], tag: str = "p") -> str:
    return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in paragraphs)


def _article(draw: random.Random, title: str) -> tuple[str, str]:
    text = _prose(draw, title)
    body = (
        f"{_banner()}<header>{_menu(draw)}</header><main><article><h1>{title}</h1>"
        f"{_tagged(text)}</article></main>{_related(draw)}{_footer()}"
    )
    return body, "\n".join([title, *text])


def _div_soup(draw: random.Random, title: str) -> tuple[str, str]:
    text = _prose(draw, title)
    body = (
        f"{_banner()}{_menu(draw, 'div')}<div class=x1><div>{title}</div>"
        f"{_tagged(text, 'div')}</div>{_related(draw, 'div')}{_footer('div')}"
    )
    return body, "\n".join([title, *text])


def _commented(draw: random.Random, title: str) -> tuple[str, str]:
    text = _prose(draw, title, 3)
    body = (
        f"{_menu(draw)}<article><h1>{title}</h1>{_tagged(text)}</article>{_comments(draw)}"
        f"{_footer()}"
    )
    return body, "\n".join([title, *text])


def _manual(draw: random.Random, title: str) -> tuple[str, str]:
    text = _prose(draw, title, 3)
    code = f"for i in range({draw.randint(2, 9)}):\n    if i < 3 and i > 0:\n        turn(i)"
    rows = [("size", "grams"), *((name, str(draw.randint(10, 99))) for name in ("small", "large"))]
    table = "".join(f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in rows)
    body = (
        f"{_menu(draw, 'div')}<div><h1>{title}</h1><p>{text[0]}</p><h2>In code</h2>"
        f"<p>{text[1]}</p><pre><code>{html.escape(code)}</code></pre><h2>In numbers</h2>"
        f"<p>{text[2]}</p><table>{table}</table></div>{_footer('div')}"
    )
    flat = "\n".join(" ".join(row) for row in rows)
    return body, "\n".join([title, text[0], "In code", text[1], code, "In numbers", text[2], flat])


def _short(draw: random.Random, title: str) -> tuple[str, str]:
    text = _paragraph(draw, title, 1)
    body = (
        f"{_banner()}{_menu(draw, 'div')}<div><h1>{title}</h1><p>{text}</p></div>"
        f"{_related(draw, 'div')}{_footer('div')}"
    )
    return body, f"{title}\n{text}"


def _recipe(draw: random.Random, title: str) -> tuple[str, str]:
    text = _paragraph(draw, title)
    what, how = draw.sample(INGREDIENTS, 6), draw.sample(STEPS, 5)
    body = (
        f"{_menu(draw)}<main><h1>{title}</h1><p>{text}</p><ul>{_tagged(what, 'li')}</ul>"
        f"<ol>{_tagged(how, 'li')}</ol></main>{_related(draw)}{_footer()}"
    )
    return body, "\n".join([title, text, *what, *how])


def _broken(draw: random.Random, title: str) -> tuple[str, str]:
    """Nothing is closed, attributes hold `>`, a comment holds tags, entities lack semicolons."""
    text = _prose(draw, title)
    spoilt = "".join(
        f'<p title="a > b" class=t>{words.replace(" and ", " &amp ")}' for words in text
    )
    body = (
        f"<div class=menu><ul><li><a href=/a>Home<li><a href=/b>Shop<li><a href=/c>Help</ul>"
        f"</span></div></div><!-- <p>old text that nobody shall read</p> --><h1>{title}</h1>"
        f"{spoilt}<br/><table><tr><td>Ends<td>here</table></p><p><a href=/i>Imprint</a>"
    )
    ampersands = [words.replace(" and ", " & ") for words in text]
    return body, "\n".join([title, *ampersands, "Ends here"])


LAYOUTS: dict[str, Callable[[random.Random, str], tuple[str, str]]] = {
    "article": _article,
    "div soup": _div_soup,
    "with comments": _commented,
    "manual": _manual,
    "short": _short,
    "recipe": _recipe,
    "broken tags": _broken,
}

# language, the bytes' encoding, what the server says, what the page says
ENCODINGS = (
    ("french", "utf-8", "utf-8", ""),
    ("french", "cp1252", "iso-8859-1", ""),
    ("french", "utf-8", "iso-8859-1", ""),
    ("french", "cp1252", "utf-8", ""),
    ("czech", "cp1250", "", "windows-1250"),
    ("czech", "cp1250", "", ""),
    ("russian", "cp1251", "", "windows-1251"),
    ("russian", "koi8-r", "", ""),
    ("russian", "cp1251", "", ""),
    ("japanese", "shift_jis", "shift_jis", ""),
    ("japanese", "euc_jp", "", ""),
    ("japanese", "utf-8", "", ""),
)
