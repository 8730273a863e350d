import re
import unicodedata

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_lib.data.tokenization.pretokenize import (
    COURSE,
    GPT2,
    LLAMA3,
    PATTERNS,
    blocks,
    pattern_named,
)

nasty = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(" \n\r\t\0\x0b\x1c'sdtlre12a.é日\u0301½\u00a0\u3000ſ"),
    ),
    max_size=80,
)


def test_hand_worked_cuts():
    text = "I'll pay 12345 €\n\n  now"
    assert GPT2.split(text) == ["I", "'ll", " pay", " 12345", " €", "\n\n ", " now"]
    assert LLAMA3.split(text) == ["I", "'ll", " pay", " ", "123", "45", " €\n\n", " ", " now"]
    assert COURSE.split("a 12\n\n") == ["a", " 1", "2", "\n", "\n"]
    assert LLAMA3.split("I'LL") == ["I", "'LL"] and GPT2.split("I'LL") == ["I", "'", "LL"]


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@given(text=nasty)
@example(text="'ſ 'S\x1c \x85\n \n a")
def test_the_quick_ways_cut_as_the_expression_does(pattern, text):
    pieces = regex.findall(pattern.expression, text)
    assert "".join(pieces) == text
    assert pattern.split(text) == pieces
    ascii_only = text.encode("ascii", "ignore").decode()
    assert pattern.split(ascii_only) == regex.findall(pattern.expression, ascii_only)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@settings(max_examples=50)
@given(text=nasty, size=st.integers(0, 6))
def test_blocks_end_between_pieces(pattern, text, size):
    spread = text + " x " + text
    cut = [piece for block in blocks(spread, size) for piece in pattern.find(block)]
    assert cut == pattern.find(spread)


def test_long_texts_take_both_ways():
    text = "the naïve cut " * 400 + "plain words only " * 400
    parts = list(blocks(text))
    assert "".join(parts) == text
    assert {part.isascii() for part in parts} == {True, False}
    assert GPT2.split(text) == GPT2.find(text)


def test_blanks_are_the_same_to_both_engines():
    """ASCII only: beyond it, Python's `re` and the Unicode property part ways."""
    for code in range(128):
        assert bool(re.match(r"\s", chr(code), re.ASCII)) == bool(regex.match(r"\s", chr(code)))
        assert chr(code).isalpha() == unicodedata.category(chr(code)).startswith("L")


def test_counting_adds_up_and_an_unknown_name_is_refused():
    assert COURSE.count(["a b a", " b"]) == {"a": 1, " a": 1, " b": 2}
    with pytest.raises(ValueError, match="pattern='llama' is not one of course, gpt2, llama3"):
        pattern_named("llama")
