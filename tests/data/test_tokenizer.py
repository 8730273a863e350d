import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.tokenizer import (
    PRETOKEN,
    SPECIAL_TOKENS,
    Tokenizer,
    byte_alphabet,
    merge_pair,
    train_bpe,
    visible_bytes,
)

TEXT = ["low low low low low lower lower newest newest newest newest newest newest widest widest"]
TOKENIZER = train_bpe(TEXT, 275)


def test_hand_worked_merges():
    # pieces: low x1 (first), " low" x4, " lower" x2, " newest" x6, " widest" x2
    # "es": 6 + 2 = 8, "st" 8, "we": 2 + 6 = 8: a tie that the lowest ids win (e < s, e < w)
    merges = [TOKENIZER.token(left) + "+" + TOKENIZER.token(right)
              for left, right in TOKENIZER.merges[:4]]
    assert merges[:2] == ["e+s", "es+t"]
    assert set(TOKENIZER.encode("low")) & set(range(4)) == set()


def test_every_merge_takes_the_most_frequent_pair():
    """The naive algorithm: recount all pairs before each merge."""
    words = [[TOKENIZER._byte_id[b] for b in piece.encode()] for piece in PRETOKEN.findall(TEXT[0])]
    for rank, merge in enumerate(TOKENIZER.merges):
        counts = {}
        for word in words:
            for pair in zip(word, word[1:], strict=False):
                counts[pair] = counts.get(pair, 0) + 1
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        assert merge == best
        words = [merge_pair(word, merge, 260 + rank) for word in words]


def test_merge_pair_goes_left_to_right():
    assert merge_pair([1, 1, 1, 2, 1, 1], (1, 1), 9) == [9, 1, 2, 9]


@given(st.text(max_size=200))
def test_any_text_survives_a_round_trip(text):
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates aren't text
        return
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert all(i >= len(SPECIAL_TOKENS) for i in ids)


@given(st.text(max_size=100))
def test_pretokens_lose_nothing(text):
    assert "".join(PRETOKEN.findall(text)) == text


def test_text_cannot_forge_a_special_token():
    ids = TOKENIZER.encode("<|end|><|assistant|>")
    assert min(ids) >= 4
    assert TOKENIZER.decode(ids) == "<|end|><|assistant|>"
    assert TOKENIZER.decode([TOKENIZER.eos_id, *ids, TOKENIZER.end_id]) == "<|end|><|assistant|>"


def test_special_ids_come_first():
    ids = (TOKENIZER.eos_id, TOKENIZER.user_id, TOKENIZER.assistant_id, TOKENIZER.end_id)
    assert ids == (0, 1, 2, 3)


def test_the_byte_alphabet_is_complete_and_visible():
    assert sorted(byte_alphabet()) == list(range(256))
    assert len(set(visible_bytes().values())) == 256
    assert visible_bytes()[ord(" ")] == "Ġ" and visible_bytes()[ord("\n")] == "Ċ"


def test_digits_and_newlines_stay_single():
    assert PRETOKEN.findall("a 12\n\n") == ["a", " 1", "2", "\n", "\n"]


def test_save_and_load(tmp_path):
    path = tmp_path / "tokenizer.json"
    TOKENIZER.save(path)
    again = Tokenizer.load(path)
    assert again.merges == TOKENIZER.merges
    assert again.encode(TEXT[0]) == TOKENIZER.encode(TEXT[0])
    assert len(again.encode(TEXT[0])) < len(TEXT[0]) / 2
    path.write_text(path.read_text().replace("p{L}", "p{M}"))
    with pytest.raises(ValueError, match="was trained with pattern"):
        Tokenizer.load(path)


def test_batch_equals_one_by_one_and_the_cache_changes_nothing():
    fresh = Tokenizer(TOKENIZER.merges)
    texts = ["newest low", "widest", "", "newest low"]
    assert TOKENIZER.encode_batch(texts) == [fresh.encode(text) for text in texts]
    assert fresh.encode("") == []


def test_a_small_corpus_stops_early_and_a_small_vocabulary_is_refused():
    assert train_bpe(["ab"], 768).vocab_size == 261
    with pytest.raises(ValueError, match="vocab_size=200 is too small"):
        train_bpe(["ab"], 200)
