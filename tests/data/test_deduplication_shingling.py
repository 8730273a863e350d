import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.deduplication.shingling import (
    jaccard,
    jaccards,
    shingle_block,
    shingles,
    word_codes,
    words,
)

ANY = st.text(st.characters(categories=None), max_size=60)  # surrogates and NUL too
FEW = st.lists(
    st.sampled_from(["ab", "Ab", "c", "dé", "longerthaneight", " ", "\x00", "\n"]), max_size=12
).map(" ".join)


def as_strings(text, ngram):
    """What the hashes stand for, written the plain way."""
    found = words(text) or [" ".join(text.split())]
    return {tuple(found[i : i + ngram]) for i in range(max(1, len(found) - ngram + 1))}


def test_shingles_by_hand():
    # a b c d e, b c d e f: two runs of five; case and punctuation don't count
    text = shingles("A b, c d e f", 5)
    assert len(text) == 2
    assert np.array_equal(text, shingles("a B c D e; f!", 5))
    assert jaccard(text, shingles("a b c d e g", 5)) == pytest.approx(1 / 3)
    assert len(shingles("too few", 5)) == 1 and len(shingles("???", 5)) == 1


@given(st.lists(ANY | FEW, min_size=2, max_size=5), st.integers(1, 5))
def test_the_hashes_are_the_set_of_word_runs(texts, ngram):
    block = shingle_block(texts, ngram).unique()
    plain = [as_strings(text, ngram) for text in texts]
    assert block.sizes.tolist() == [len(runs) for runs in plain]
    sets = np.split(block.values, block.starts[1:])
    for text, hashed in zip(texts, sets, strict=True):
        assert np.array_equal(hashed, shingles(text, ngram))  # a block changes nothing
    pairs = np.array([(0, i) for i in range(len(texts))])
    expected = [len(plain[0] & other) / len(plain[0] | other) for other in plain]
    assert jaccards(texts, pairs, ngram) == pytest.approx(expected)
    assert [jaccard(sets[0], other) for other in sets] == pytest.approx(expected)


def test_a_word_has_one_code_wherever_it_stands():
    texts = ["x", "été x", "X " + "y" * 63, "y" * 64, "y" * 65 + " x", "y" * 66]
    codes, counts = word_codes(texts)
    assert counts.tolist() == [1, 2, 2, 1, 2, 1]
    assert codes[0] == codes[2] == codes[3] == codes[7]
    assert len(set(codes.tolist())) == 6  # x, été, and words of 63, 64, 65 and 66 letters


def test_texts_without_words_are_told_apart():
    codes, counts = word_codes(["", "?", "???", "!!!", "\ud800", "\x00"])
    assert counts.tolist() == [1] * 6 and len(set(codes.tolist())) == 6
    assert word_codes([" "])[0] == codes[0]  # nothing but white space is the empty text
    assert word_codes([])[1].tolist() == [] and shingle_block([], 5).unique().sizes.tolist() == []


def test_order_of_words_counts():
    assert jaccard(shingles("a b c d e", 5), shingles("a b c e d", 5)) == 0


def test_blocks_of_many_pairs_give_the_same_scores():
    generator = random.Random(0)
    texts = [" ".join(generator.choices("abcdefgh", k=5_000)) for _ in range(40)]
    pairs = np.array([(i, j) for i in range(40) for j in range(i)])  # 15 MB of pairs: four blocks
    sets = [shingles(text, 4) for text in texts]
    assert jaccards(texts, pairs, 4) == pytest.approx([jaccard(sets[a], sets[b]) for a, b in pairs])


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_a_giant_line_costs_no_more_than_its_length(seed, length):
    text = "".join(random.Random(seed).choices("ab", k=length))
    assert len(shingles(text, 5)) == 1
