import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.tokenization.unigram import (
    em_step,
    expected_counts,
    prune,
    seed_pieces,
    train_unigram,
    viterbi,
)

SCORES = {
    piece: math.log(p)
    for piece, p in {"a": 0.3, "b": 0.2, "c": 0.1, "ab": 0.2, "bc": 0.15, "abc": 0.05}.items()
}


def every_cut(word: str):
    """All ways to cut a word: a bit for each border."""
    for borders in product([False, True], repeat=len(word) - 1):
        pieces, start = [], 0
        for place, cut in enumerate(borders, 1):
            if cut:
                pieces.append(word[start:place])
                start = place
        yield [*pieces, word[start:]]


def probability(pieces):
    return math.exp(sum(SCORES[p] for p in pieces)) if all(p in SCORES for p in pieces) else 0.0


def test_viterbi_by_hand():
    # a|bc 0.3 * 0.15 = 0.045, abc 0.05, ab|c 0.2 * 0.1 = 0.02, a|b|c 0.006
    pieces, score = viterbi("abc", SCORES)
    assert pieces == ["abc"] and score == pytest.approx(math.log(0.05))
    assert viterbi("abc", SCORES, without="abc")[0] == ["a", "bc"]
    assert viterbi("aéb", SCORES)[0] == ["a", "é", "b"]


@settings(max_examples=40, deadline=None)
@given(st.text("abc", min_size=1, max_size=7))
def test_viterbi_and_expected_counts_equal_the_sum_over_every_cut(word):
    cuts = {tuple(cut): probability(cut) for cut in every_cut(word)}
    total = sum(cuts.values())
    pieces, score = viterbi(word, SCORES)
    assert math.exp(score) == pytest.approx(max(cuts.values()))
    assert probability(pieces) == pytest.approx(max(cuts.values()))
    counts, log_p = expected_counts(word, SCORES, 3)
    assert math.exp(log_p) == pytest.approx(total)
    for piece in SCORES:
        true = sum(p * cut.count(piece) for cut, p in cuts.items()) / total
        assert counts.get(piece, 0.0) == pytest.approx(true, abs=1e-12)


@settings(max_examples=30)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=6), st.integers(1, 9), min_size=1))
def test_em_never_lowers_the_likelihood(counts):
    scores = seed_pieces(counts, 30, 4)
    seen = []
    for _ in range(4):
        scores, likelihood = em_step(counts, scores)
        seen.append(likelihood)
    assert all(b >= a - 1e-6 for a, b in zip(seen, seen[1:], strict=False))
    assert sum(map(math.exp, scores.values())) == pytest.approx(1)


def test_training_keeps_characters_and_reaches_its_size():
    counts = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
    scores = train_unigram(counts, 10)
    assert len(scores) == 10 and set("hugpnbs") <= set(scores)
    assert viterbi("hugs", scores)[0] != list("hugs")
    assert "".join(viterbi("bugs", scores)[0]) == "bugs"
    assert len(prune(counts, seed_pieces(counts, 30, 4), 9)) == 9


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="vocab_size=2 is too small: .* need 3"):
        train_unigram({"abc": 1}, 2)
    with pytest.raises(ValueError, match="no cut of 'xyz'"):
        expected_counts("xyz", SCORES, 3)
