import random
from itertools import combinations

import numpy as np
import pytest

from course_lib.data.dedup import (
    DedupConfig,
    MinHash,
    deduplicate,
    estimate,
    fingerprint,
    jaccard,
    shingles,
)

WORDS = [a + b for a in ("ka", "lo", "mi", "nu", "pe", "ri") for b in ("st", "nd", "rk", "lm")]


def prose(generator, n):
    return [generator.choice(WORDS) for _ in range(n)]


def test_shingles_by_hand():
    # a b c d e, b c d e f: two runs of five; case and punctuation don't count
    text = shingles("A b, c d e f", 5)
    assert len(text) == 2
    assert np.array_equal(text, shingles("a B c D e; f!", 5))
    assert jaccard(text, shingles("a b c d e g", 5)) == pytest.approx(1 / 3)
    assert len(shingles("too few", 5)) == 1 and len(shingles("???", 5)) == 1


def test_shingles_are_the_set_of_word_runs():
    words = prose(random.Random(0), 500)
    runs = {tuple(words[i:i + 3]) for i in range(498)}
    assert len(shingles(" ".join(words), 3)) == len(runs)


def test_the_estimate_is_unbiased_with_the_binomial_variance():
    generator = np.random.default_rng(0)
    sets = generator.integers(0, 2**63, (300, 90)).astype(np.uint64)
    k, true = 128, 30 / 150
    hashes = MinHash(k, seed=1)
    errors = [estimate(hashes.signature(row[:90]), hashes.signature(np.concatenate(
        [row[:30], row[:60] + np.uint64(1)]))) for row in sets]
    expected = (true * (1 - true) / k) ** 0.5
    # one family serves all pairs, so their errors share a part: 4 standard errors of one pair
    assert abs(np.mean(errors) - true) < 4 * expected / 10
    assert 0.8 * expected < np.std(errors) < 1.2 * expected


def test_bands_find_pairs_as_often_as_the_formula_says():
    config = DedupConfig(bands=8, rows=4)
    found, pairs = 0, 400
    generator = np.random.default_rng(2)
    for seed in range(pairs):
        same, left, right = (generator.integers(0, 2**63, n).astype(np.uint64)
                             for n in (40, 20, 20))
        hashes = MinHash(config.permutations, seed)
        a, b = (hashes.signature(np.concatenate([same, own])).reshape(8, 4)
                for own in (left, right))
        found += bool((a == b).all(axis=1).any())
    expected = config.detection(0.5)
    assert abs(found / pairs - expected) < 4 * (expected * (1 - expected) / pairs) ** 0.5


def corpus():
    generator = random.Random(3)
    texts = [prose(generator, 80) for _ in range(60)]
    near = texts[7][:40] + ["changed"] + texts[7][41:]
    return [" ".join(words) for words in texts] + [" ".join(near), " \n".join(texts[9])]


def test_planted_duplicates_are_found_with_their_witness():
    result = deduplicate(corpus())
    near, exact = result.removed
    assert (near.index, near.kept, near.kind) == (60, 7, "near")
    assert 0.8 < near.jaccard < 0.9  # 5 of 76 shingles changed: 71 / 81
    assert near.jaccard == pytest.approx(71 / 81)
    assert (exact.index, exact.kept, exact.kind, exact.jaccard) == (61, 9, "exact", 1.0)
    assert result.kept == list(range(60))
    assert result.compared < 60


def test_it_agrees_with_comparing_all_pairs():
    texts = corpus()
    sets = [shingles(text, 5) for text in texts]
    alike = {(a, b) for a, b in combinations(range(len(texts)), 2)
             if jaccard(sets[a], sets[b]) >= 0.7}
    removed = deduplicate(texts).removed
    assert {(r.kept, r.index) for r in removed} == alike


def test_a_higher_threshold_keeps_the_near_one():
    assert 60 in deduplicate(corpus(), DedupConfig(threshold=0.95)).kept


def test_white_space_does_not_hide_a_copy_and_case_does_not_matter_to_shingles():
    assert fingerprint("a  b\n c") == fingerprint("a b c") != fingerprint("ab c")


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ValueError, match="threshold=1.5"):
        DedupConfig(threshold=1.5)
