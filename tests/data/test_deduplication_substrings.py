import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.deduplication.substrings import (
    Span,
    cut_spans,
    repeated_spans,
    substring_ranks,
    suffix_array,
)

BYTES = st.text("ab\x00", max_size=40).map(str.encode)


def test_banana():
    # a, ana, anana, banana, na, nana
    assert suffix_array(b"banana").tolist() == [5, 3, 1, 0, 4, 2]
    assert suffix_array(b"").tolist() == [] and suffix_array(b"x").tolist() == [0]


@given(BYTES)
def test_the_suffix_array_sorts_the_suffixes(data):
    assert suffix_array(data).tolist() == sorted(range(len(data)), key=lambda i: data[i:])


@given(BYTES, st.integers(1, 20))
def test_ranks_are_equal_where_the_bytes_are(data, length):
    ranks = substring_ranks(data, length)
    pieces = [data[i : i + length] for i in range(len(data))]
    for i in range(len(data)):
        for j in range(len(data)):
            assert (ranks[i] == ranks[j]) == (pieces[i] == pieces[j])
            assert (ranks[i] < ranks[j]) == (pieces[i] < pieces[j])


def marked(texts, length):
    """Characters (ASCII) that lie in a window which stood before, by looking at each window."""
    seen, found = set(), []
    for text in texts:
        mask = [False] * len(text)
        for i in range(len(text) - length + 1):
            window = text[i : i + length]
            if window in seen:
                mask[i : i + length] = [True] * length
            seen.add(window)
        found.append(mask)
    return found


@given(st.lists(st.text("ab", max_size=30), max_size=4), st.integers(2, 6))
def test_spans_are_the_windows_that_stood_before(texts, length):
    spans = repeated_spans(texts, length)
    mask = [[False] * len(text) for text in texts]
    for span in spans:
        mask[span.index][span.start : span.stop] = [True] * (span.stop - span.start)
        window = texts[span.index][span.start : span.start + length]
        assert texts[span.witness][span.place : span.place + length] == window
        assert (span.witness, span.place) < (span.index, span.start)
    assert mask == marked(texts, length)
    cut = cut_spans(texts, spans)
    assert cut == [
        "".join(c for c, gone in zip(text, row, strict=True) if not gone)
        for text, row in zip(texts, mask, strict=True)
    ]


def test_a_passage_inside_other_text_is_found_with_its_witness():
    passage = "the quick brown fox jumps over the lazy dog"
    texts = [f"X{passage}Y", "nothing here at all, but long enough", f"é {passage}"]
    assert repeated_spans(texts, 20) == [Span(2, 3, 3 + len(passage), 0, 1)]
    assert repeated_spans(texts, 20, keys=["c", "b", "a"]) == [Span(0, 1, 1 + len(passage), 2, 3)]
    assert cut_spans(texts, repeated_spans(texts, 20)) == [*texts[:2], "é "]


def test_ugly_texts():
    texts = ["", "\x00" * 50, "\ud800" * 20, "", "日本語" * 10]
    spans = repeated_spans(texts, 9)
    assert {span.index for span in spans} == {1, 2, 4}
    assert cut_spans(texts, spans) == ["", "\x00", "\ud800", "", "日本語"]
    assert repeated_spans([], 5) == [] and repeated_spans(["ab"], 5) == []
    with pytest.raises(ValueError, match="length=0"):
        repeated_spans(["ab"], 0)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_span_never_cuts_a_character_in_two(seed):
    letters = np.random.default_rng(seed).choice(list("aé日😀"), 400)
    texts = ["".join(letters[:200]), "".join(letters[150:]) + "".join(letters[20:60])]
    for text in cut_spans(texts, repeated_spans(texts, 7)):
        assert text == text.encode().decode()
