import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.filtering.web_rules import (
    C4Rules,
    FineWebRules,
    GopherRules,
    c4,
    fineweb,
    gopher,
    repetition,
    sentences_of,
)

SENTENCES = (
    "The mill stands at the end of the lane and has been there for two hundred years.",
    "Nobody who lives in the village can remember a time when it did not turn.",
    "In spring the water is high, and the wheel makes more noise than the children do.",
    "When the miller opens the gate, you can hear it as far as the church.",
    "We asked him once how much flour he makes, and he said that it depends on the rain.",
)
PAGE = "\n".join(SENTENCES)

GOPHER = {
    "gopher: length": "Only a few words of the kind that have to be here.",
    "gopher: word length": "a b " * 40 + "the of and",
    "gopher: hashes": PAGE.replace(" ", " #", 20),
    "gopher: ellipses": PAGE.replace(" ", " ... ", 20),
    "gopher: bullet lines": "\n".join(f"- {line}" for line in PAGE.split("\n")),
    "gopher: cut lines": PAGE.replace(".\n", "...\n"),
    "gopher: few letters": PAGE + " 12 34 56 78" * 10,
    "gopher: no stop words": "apples pears plums " * 20,
}
REPETITION = {
    "repetition: paragraphs": "One thing.\n\n" * 3 + "Another thing to say here.",
    "repetition: lines": "One thing.\n" * 3 + PAGE[:70],
    "repetition: characters in lines": f"{PAGE}\n{SENTENCES[0]}\n{SENTENCES[1]}",
    "repetition: top 2-gram": "of course " * 6 + " ".join(SENTENCES[:2]),
    "repetition: 5-grams": " ".join([*SENTENCES, SENTENCES[1], SENTENCES[3]]),
}


def test_a_page_of_prose_passes_all_three():
    assert gopher(PAGE).keep and repetition(PAGE).keep and fineweb(PAGE).keep
    result = c4(PAGE)
    assert result.verdict.keep and result.text == PAGE and result.lines_dropped == {}


@pytest.mark.parametrize("rule", GOPHER)
def test_each_gopher_rule_refuses_with_its_figure(rule):
    verdict = gopher(GOPHER[rule])
    assert (verdict.keep, verdict.rule) == (False, rule)
    assert any(character.isdigit() for character in verdict.reason)


@pytest.mark.parametrize("rule", REPETITION)
def test_each_kind_of_repetition_is_named(rule):
    verdict = repetition(REPETITION[rule])
    assert (verdict.keep, verdict.rule) == (False, rule)


def test_gopher_by_hand():
    # 3 words of 4, 4 and 2 characters, and one token that is no word
    assert gopher("word Word ## of", GopherRules(min_words=3)).reason == "0.5, at most 0.1"
    short = gopher("word Word of", GopherRules(min_words=4))
    assert short.reason == "3 words, 4 to 100,000 are kept"


def test_c4_keeps_the_lines_that_are_sentences():
    page = (
        f"Menu\n{SENTENCES[0]}\nPlease enable Javascript to read on.\n{SENTENCES[1]} "
        f"{SENTENCES[2]}\nWe have a cookie policy for you to read.\nToo short.\nAnd so on ..."
    )
    result = c4(page)
    assert result.text == "\n".join([SENTENCES[0], f"{SENTENCES[1]} {SENTENCES[2]}"])
    assert result.lines_dropped == {"no end mark": 2, "javascript": 1, "policy": 1, "few words": 1}


def test_c4_drops_the_page():
    assert c4(SENTENCES[0]).verdict.reason == "1 sentences left, at least 3"
    assert c4(PAGE + "\nfor (i) { go on with it. }.").verdict.rule == "c4: curly bracket"
    assert c4(PAGE + "\nLorem ipsum dolor sit amet.").verdict.rule == "c4: lorem ipsum"
    assert c4("\n".join(SENTENCES[:4])).verdict.keep
    assert not c4("\n".join(SENTENCES[:4]), C4Rules.first_version()).verdict.keep


def test_c4_takes_citations_out():
    assert "[12]" not in c4(PAGE.replace("lane", "lane[12]")).text


def test_fineweb_by_hand():
    assert fineweb("no end mark\n" * 9 + "One end mark.").rule == "fineweb: ended lines"
    assert fineweb("Short line.\n" * 3 + SENTENCES[0]).rule == "fineweb: short lines"
    again = fineweb(f"{PAGE}\n{SENTENCES[0]}")
    assert again.rule == "fineweb: repeated lines" and again.reason.endswith("at most 0.1")
    once_more = PAGE.replace("\n", " ") + "\nRead on.\nRead on."  # 8 of 384 characters
    assert fineweb(once_more).keep
    assert fineweb(once_more, FineWebRules(max_repeated=0.01)).rule == "fineweb: repeated lines"


def test_sentences_are_cut_behind_their_end_marks():
    assert sentences_of("Go! Then? (He went.) ") == ["Go!", "Then?", "(He went.)"]
    assert sentences_of("v1.5 is out") == ["v1.5 is out"] and sentences_of(" ") == []


@given(st.text(max_size=300))
def test_no_text_crashes_a_rule_and_every_refusal_has_a_reason(text):
    for verdict in (
        gopher(text),
        gopher(text, GopherRules(min_words=0)),
        repetition(text),
        c4(text).verdict,
        fineweb(text),
    ):
        assert verdict.keep == (verdict.rule == "") == (verdict.reason == "")


def test_a_line_of_a_million_characters_is_read_once():
    assert not gopher("x" * 1_000_000).keep and not c4("x" * 1_000_000).verdict.keep
