"""The picture of the grammar agrees with the grammar; tinted documents keep their text."""

import re
from html import unescape

import pytest

from course_lib.world.render import (
    PATTERNS,
    grammar_html,
    grammar_text,
    pattern_regex,
    score_html,
    surprisal_html,
    surprisal_text,
)
from course_lib.world.village import KINDS


def visible(markup: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", markup))


def test_every_document_follows_its_pattern_and_no_other(world):
    regexes = {kind: re.compile(pattern_regex(PATTERNS[kind])) for kind in KINDS}
    for seed in range(40):
        document = world.sample(seed)
        found = {kind for kind, regex in regexes.items() if regex.fullmatch(document.text)}
        assert found == {document.kind}, document


def test_tinted_documents_keep_their_text(world):
    documents = [world.sample(seed) for seed in range(4)]
    markup = surprisal_html(documents, "A caption.")
    assert all(document.text in visible(markup) for document in documents)
    assert markup.count("<span") >= sum(len(document.spans) for document in documents)
    assert all(f"{d.kind}, {d.nats:.1f} nats" in surprisal_text(documents) for d in documents)


def test_the_verdict_stands_under_the_text(world):
    text = world.sample(0).text
    assert "nats" in visible(score_html(text, world.score(text)))
    broken = "Somebody <b>bold</b>"
    markup = score_html(broken, world.score(broken))
    assert "<b>" not in markup
    assert "grammar at character 0" in visible(markup)


@pytest.mark.parametrize("kind", KINDS)
def test_the_grammar_is_drawn_for_every_kind(kind):
    assert f"{kind} →" in visible(grammar_html("A caption."))
    assert f"{kind} ->" in grammar_text()
