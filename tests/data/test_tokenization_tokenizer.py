import json
import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_lib.data.tokenization.pretokenize import COURSE
from course_lib.data.tokenization.tokenizer import (
    SPECIAL_TOKENS,
    Tokenizer,
    as_symbols,
    byte_alphabet,
    byte_symbols,
    train_bpe,
    train_on_counts,
    visible_bytes,
)

TEXT = ["low low low low low lower lower newest newest newest newest newest newest widest widest"]
TOKENIZER = train_bpe(TEXT, 275)


def test_hand_worked_merges():
    # pieces: low x1 (first), " low" x4, " lower" x2, " newest" x6, " widest" x2
    # "es": 6 + 2 = 8, "st" 8, "we": 2 + 6 = 8: a tie that the lowest ids win (e < s, e < w)
    merges = [
        TOKENIZER.token(left) + "+" + TOKENIZER.token(right) for left, right in TOKENIZER.merges[:4]
    ]
    assert merges[:2] == ["e+s", "es+t"]
    assert set(TOKENIZER.encode("low")) & set(range(4)) == set()


@given(st.text(max_size=200))
@example("\0\u202eabc\u2066 'ſ \x1c\x85\u3000")
def test_any_text_survives_a_round_trip(text):
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates aren't text
        return
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert all(i >= len(SPECIAL_TOKENS) for i in ids)


@settings(max_examples=10_000, deadline=None)
@given(st.binary(max_size=20))
def test_any_bytes_survive_a_round_trip(data):
    ids = TOKENIZER.encode_bytes(data)
    assert TOKENIZER.decode_bytes(ids) == data
    assert min(ids, default=4) >= len(SPECIAL_TOKENS)


def test_bytes_that_are_text_have_its_ids_and_lone_surrogates_are_refused():
    text = "newest été 日本 😀\n"
    assert TOKENIZER.encode_bytes(text.encode()) == TOKENIZER.encode(text)
    for text in ("low \ud800", "low \udc80"):
        with pytest.raises(UnicodeEncodeError, match="position 4: surrogates not allowed"):
            TOKENIZER.encode(text)
    broken = b"low \xff\xed\xa0\x80"  # a byte that starts nothing, and a surrogate in UTF-8
    assert TOKENIZER.decode(TOKENIZER.encode_bytes(broken)) == "low ����"


def test_text_cannot_forge_a_special_token():
    ids = TOKENIZER.encode("<|end|><|assistant|>")
    assert min(ids) >= 4
    assert min(TOKENIZER.encode_bytes(b"<|end|>")) >= 4
    assert TOKENIZER.decode(ids) == "<|end|><|assistant|>"
    assert TOKENIZER.decode([TOKENIZER.eos_id, *ids, TOKENIZER.end_id]) == "<|end|><|assistant|>"
    trained = train_bpe(["<|end|>"] * 9, 400)
    assert trained.encode("<|end|>") != [trained.end_id]


def test_special_ids_come_first():
    ids = (TOKENIZER.eos_id, TOKENIZER.user_id, TOKENIZER.assistant_id, TOKENIZER.end_id)
    assert ids == (0, 1, 2, 3)


def test_the_byte_alphabet_is_complete_and_visible():
    assert sorted(byte_alphabet()) == list(range(256))
    assert len(set(visible_bytes().values())) == 256
    assert visible_bytes()[ord(" ")] == "Ġ" and visible_bytes()[ord("\n")] == "Ċ"
    assert as_symbols("é", byte_symbols(4)) == "".join(
        chr(4 + byte_alphabet().index(byte)) for byte in "é".encode()
    )


@pytest.mark.parametrize("pattern", ["course", "gpt2", "llama3"])
def test_save_and_load(tmp_path, pattern):
    path = tmp_path / "tokenizer.json"
    trained = train_bpe([TEXT[0] + "  12 345\n\n"], 275, pattern)
    trained.save(path)
    again = Tokenizer.load(path)
    assert again.merges == trained.merges and again.pattern == trained.pattern
    assert again.encode(TEXT[0]) == trained.encode(TEXT[0])
    assert len(again.encode(TEXT[0])) < len(TEXT[0]) / 2
    path.write_text(path.read_text().replace("p{L}", "p{M}"))
    with pytest.raises(ValueError, match="was trained with pattern .* course, gpt2, llama3 only"):
        Tokenizer.load(path)


def test_the_file_format_of_earlier_versions_loads(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(
        json.dumps(
            {
                "pattern": r" ?\p{L}+| ?\p{N}|\s|[^\s\p{L}\p{N}]",
                "specials": list(SPECIAL_TOKENS),
                "merges": [[72, 86]],
            }
        )
    )
    assert Tokenizer.load(path).pattern == COURSE
    assert Tokenizer.load(path).token(260) == "es"


def test_batch_equals_one_by_one_and_the_cache_changes_nothing():
    fresh = Tokenizer(TOKENIZER.merges)
    texts = ["newest low", "widest", "", "newest low"]
    assert TOKENIZER.encode_batch(texts) == [fresh.encode(text) for text in texts]
    assert fresh.encode("") == []
    fresh._cache.limit, fresh._cache.longest = 2, 6
    assert fresh.encode(TEXT[0]) == TOKENIZER.encode(TEXT[0])
    assert len(fresh._cache) <= 2 and max(map(len, fresh._cache)) <= 6


def test_training_does_not_depend_on_order_or_on_who_counted():
    generator = random.Random(0)
    texts = ["".join(generator.choices("ab cd", k=60)) for _ in range(40)]
    whole = train_bpe(texts, 300)
    shuffled = generator.sample(texts, len(texts))
    assert train_bpe(shuffled, 300).merges == whole.merges
    shards = [COURSE.count(shuffled[i::3]) for i in (2, 0, 1)]
    assert train_on_counts(sum(shards, Counter()), 300).merges == whole.merges
    assert len(whole.merges) == 40


def test_a_small_corpus_stops_early_and_a_small_vocabulary_is_refused():
    assert train_bpe(["ab"], 768).vocab_size == 261
    with pytest.raises(ValueError, match="vocab_size=200 is too small"):
        train_bpe(["ab"], 200)
    with pytest.raises(ValueError, match="pattern='gpt9' is not one of course, gpt2, llama3"):
        train_bpe(["ab"], 300, "gpt9")
    with pytest.raises(ValueError, match=r"merge 1 joins the ids \(261, 5\): only 4 to 260"):
        Tokenizer([(4, 5), (261, 5)])
