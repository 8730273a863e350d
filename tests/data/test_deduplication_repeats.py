import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.deduplication.repeats import Cut, cut_repeated

COOKIES = "We use cookies to improve your experience."


def test_a_paragraph_stays_where_it_stood_first():
    texts = [f"A story.\n\n{COOKIES}", f"{COOKIES}\n\nAnother  story.", "A story."]
    result = cut_repeated(texts)
    assert result.texts == [texts[0], "Another  story.", "A story."]  # two words are too few
    assert result.cuts == [Cut(1, 0, COOKIES, 0)]
    later = cut_repeated(texts, keys=["b", "a", "c"])
    assert later.texts[0] == "A story." and later.cuts == [Cut(0, 10, COOKIES, 1)]


def test_lines_and_white_space():
    text = f"one two three four five\n one  two three four five\n{COOKIES}"
    result = cut_repeated([text], "line")
    assert result.texts == [f"one two three four five\n{COOKIES}"]
    assert [(cut.place, cut.witness) for cut in result.cuts] == [(24, 0)]
    assert cut_repeated([text], "line", min_words=6).cuts == []


@given(
    st.lists(
        st.lists(st.sampled_from(["a b c", "d e f", "x", "", "\x00 \ud800 b"]), max_size=5).map(
            "\n".join
        ),
        max_size=5,
    ),
    st.randoms(),
)
def test_any_order_leaves_the_same_and_nothing_is_lost(texts, shuffler):
    place = list(range(len(texts)))
    shuffler.shuffle(place)
    result = cut_repeated(texts, "line", 2, keys=[str(i) for i in range(len(texts))])
    other = cut_repeated([texts[i] for i in place], "line", 2, keys=[str(i) for i in place])
    assert [other.texts[place.index(i)] for i in range(len(texts))] == result.texts
    lines = sum(text.count("\n") + 1 for text in texts)
    empty = sum(
        not text and any(c.index == i for c in result.cuts) for i, text in enumerate(result.texts)
    )
    assert sum(t.count("\n") + 1 for t in result.texts) - empty + len(result.cuts) >= lines - empty
    for cut in result.cuts:
        assert texts[cut.index][cut.place :].startswith(cut.text)
        assert cut.text.split() in [part.split() for part in texts[cut.witness].split("\n")]


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit='sentence' is not one of line, paragraph"):
        cut_repeated([], "sentence")
