from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.extraction.extract import Block, blocks, content, extract, strip_tags
from course_lib.data.extraction.webpages import ENCODINGS, LAYOUTS, foreign_pages, web_pages

PAGE = """<html><head><title>T</title><script>var x = "<p>no</p>";</script></head><body>
<nav><a href=/>Home</a> <a href=/n>News</a></nav>
<h1>Mills</h1><p>A mill turns &amp; turns.<br>It grinds&nbsp;corn</p>
<pre>a  =  1
b = 2</pre><table><tr><td>x<td>1<tr><td>y<td>2</table>
<div class="cookie-box">Take our cookies</div>
<p>Loose <b>end</b> <a href=/>with a link</a><div>here"""


def test_blocks_of_a_page_by_hand():
    assert [(b.tag, b.text, b.linked, b.role, b.hint) for b in blocks(PAGE)] == [
        ("nav", "Home News", 2, "nav", ""),
        ("h1", "Mills", 0, "", ""),
        ("p", "A mill turns & turns. It grinds corn", 0, "", ""),
        ("pre", "a  =  1\nb = 2", 0, "", ""),
        ("tr", "x 1", 0, "", ""),
        ("tr", "y 2", 0, "", ""),
        ("div", "Take our cookies", 0, "", "cookie"),
        ("p", "Loose end with a link", 3, "", ""),
        ("div", "here", 0, "", ""),
    ]


def block(words, linked=0, tag="p"):
    return Block("w " * words, tag, linked)


@pytest.mark.parametrize(
    ("before", "middle", "after", "kept"),
    [
        (block(0), block(10, 4), block(50), False),  # 40 % of the words are links
        (block(4), block(16), block(15), False),
        (block(5), block(16), block(15), True),
        (block(4), block(17), block(15), True),
        (block(4), block(16), block(16), True),
        (block(5, 5), block(40), block(17), False),
        (block(5, 5), block(41), block(17), True),
        (block(5, 5), block(40), block(18), True),
    ],
)
def test_the_tree_at_each_of_its_thresholds(before, middle, after, kept):
    assert content([before, middle, after])[1] is kept


def test_headings_and_rows_go_with_their_text():
    text, row, head = block(30), block(2, tag="tr"), block(2, tag="h2")
    assert content([head, text, row, row, head]) == [True, True, True, True, False]
    menu = block(3, 3, "li")
    assert content([menu, menu, head, menu, menu]) == [False] * 5


def test_the_stripper_keeps_what_no_reader_sees():
    assert "var x" in strip_tags(PAGE) and "& turns" in strip_tags(PAGE)
    assert "var x" not in extract(PAGE, density=False)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="<>/!-=\"' apdivlitrnscomenx&;#\n", max_size=120))
def test_any_page_gives_some_text_and_no_error(page):
    found = blocks(page)
    assert all(b.text.strip() and 0 <= b.link_density <= 1 for b in found)
    assert len(extract(page)) <= sum(len(b.text) + 1 for b in found)


@pytest.mark.parametrize("number", range(len(LAYOUTS)))
def test_made_pages_hold_their_article_and_more(number):
    page = web_pages(len(LAYOUTS))[number]
    everything = extract(page.data.decode(), density=False, roles=False, hints=False)
    words = Counter(everything.split())
    assert not Counter(page.article.split()) - words, page.kind
    assert words.total() > len(page.article.split())
    assert "never text" not in everything and "nobody shall read" not in everything


def test_all_clues_together_keep_the_article_and_drop_the_rest():
    for page in web_pages(21, seed=3):
        got, want = (Counter(text.split()) for text in (extract(page.data.decode()), page.article))
        if page.kind != "short":
            assert (got & want).total() / want.total() > 0.95, page.kind
            assert (got & want).total() / got.total() > 0.95, page.kind


def test_foreign_pages_are_in_the_encodings_they_name():
    pages = foreign_pages()
    assert len(pages) == len(ENCODINGS)
    assert all(p.article in p.data.decode(p.encoding) for p in pages)
    assert not all(p.article in p.data.decode("utf-8", "replace") for p in pages)
