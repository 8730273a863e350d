import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.deduplication.shingling import ShingleBlock, shingle_block
from course_lib.data.deduplication.simhash import (
    _mixed,
    deduplicate_simhash,
    expected_distance,
    hamming,
    near_simhashes,
    simhashes,
)

WORDS = [f"word{i}" for i in range(3000)]


def test_by_hand_each_bit_is_the_vote_of_the_features():
    values = np.array([5, 5, 9, 77], np.uint32)  # 5 counts twice
    votes = [
        sum((1 if int(code) >> bit & 1 else -1) for code in _mixed(values)) for bit in range(64)
    ]
    expected = sum((vote > 0) << bit for bit, vote in enumerate(votes))
    code = simhashes(ShingleBlock(values, np.array([4])))[0]
    assert bin(int(code)).count("1") == bin(expected).count("1")
    assert 0 < bin(expected).count("1") < 64
    alone = simhashes(ShingleBlock(values[:1], np.array([1])))
    assert bin(int(alone[0])).count("1") == bin(int(_mixed(values[:1])[0])).count("1")


def test_the_distance_tells_the_angle():
    generator, distances = random.Random(0), []
    for _ in range(150):
        shared, left, right = (generator.sample(WORDS, 40) for _ in range(3))
        pair = simhashes(shingle_block([" ".join(shared + own) for own in (left, right)], 1))
        distances.append(int(hamming(pair[:1], pair[1:])[0]))
    # 40 of 80 words shared (but for some chance ones): the cosine is a half, the angle 60 degrees
    assert expected_distance(0.5) == pytest.approx(64 / 3)
    assert np.mean(distances) == pytest.approx(64 / 3, abs=1.2)


@given(st.integers(0, 15), st.integers(0, 5))
def test_no_pair_within_the_distance_is_missed(distance, seed):
    generator = random.Random(seed)
    base = [generator.getrandbits(64) for _ in range(8)]
    codes = [
        code ^ sum(1 << bit for bit in generator.sample(range(64), generator.randrange(18)))
        for code in base
        for _ in range(4)
    ]
    codes = np.array(codes, np.uint64)
    pairs, apart = near_simhashes(codes, distance)
    expected = {
        (i, j): int(codes[i] ^ codes[j]).bit_count()
        for i in range(len(codes))
        for j in range(i + 1, len(codes))
    }
    found = dict(zip(map(tuple, pairs.tolist()), apart.tolist(), strict=True))
    assert found == {pair: bits for pair, bits in expected.items() if bits <= distance}


def test_planted_copies_go_and_others_stay():
    generator = random.Random(1)
    texts = [" ".join(generator.sample(WORDS, 200)) for _ in range(20)]
    texts += [texts[3], texts[5] + " word1"]
    result = deduplicate_simhash(texts, distance=6)
    assert [(r.index, r.kept, r.kind) for r in result.removed] == [
        (20, 3, "exact"),
        (21, 5, "near"),
    ]
    assert result.removed[0].score == 1.0 and 1 - 6 / 64 <= result.removed[1].score < 1
    assert deduplicate_simhash(["", "\x00", "\ud800"]).kept == [0, 1, 2]


def test_a_distance_out_of_range_is_refused():
    with pytest.raises(ValueError, match="distance=20 must be between 0 and 15"):
        near_simhashes(np.zeros(2, np.uint64), 20)
