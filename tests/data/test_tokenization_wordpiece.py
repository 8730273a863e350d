import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.tokenization.wordpiece import (
    best_pair,
    count_pairs,
    encode_word,
    join,
    pieces_of,
    train_wordpiece,
)

HUGS = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}


def test_the_score_by_hand():
    # ##g ##s: 5 / (20 * 5) = 1/20; h ##u: 15 / (15 * 36) = 1/36; ##u ##g: 20 / (36 * 20) = 1/36
    words = {tuple(pieces_of(word)): count for word, count in HUGS.items()}
    assert best_pair(words) == ("##g", "##s")
    assert join("##g", "##s") == "##gs"
    assert train_wordpiece(HUGS, 10)[:9] == [
        "[UNK]",
        "##g",
        "##n",
        "##s",
        "##u",
        "b",
        "h",
        "p",
        "##gs",
    ]


def test_another_choice_learns_other_pieces():
    # by count alone ##u ##g comes first: 10 + 5 + 5 = 20; then ##u ##n: 16
    def most_frequent(words):
        return count_pairs(words)[1].most_common(1)[0][0]

    by_count = train_wordpiece(HUGS, 10, choose=most_frequent)
    assert by_count[8:] == ["##ug", "##un"]


def test_the_longest_piece_wins_and_one_gap_spoils_the_word():
    vocabulary = {"[UNK]", "un", "u", "##a", "##aff", "##able", "##ff", "##n"}
    assert encode_word("unaffable", vocabulary) == ["un", "##aff", "##able"]
    assert encode_word("unaffably", vocabulary) == ["[UNK]"]
    assert encode_word("", vocabulary) == []
    assert encode_word("u" + "n" * 100, vocabulary) == ["[UNK]"]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 9), min_size=1))
def test_words_of_the_training_text_come_back(counts):
    vocabulary = train_wordpiece(counts, 20)
    assert len(set(vocabulary)) == len(vocabulary) <= 20
    for word in counts:
        pieces = encode_word(word, vocabulary)
        assert "".join(piece.removeprefix("##") for piece in pieces) == word


def test_a_small_vocabulary_is_refused():
    with pytest.raises(ValueError, match="vocab_size=3 is too small: .* need 8"):
        train_wordpiece(HUGS, 3)
