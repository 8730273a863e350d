import numpy as np
import pytest

from course_lib.data.deduplication.minhash import Buckets, MinHash, band_keys, buckets, estimate
from course_lib.data.deduplication.shingling import ShingleBlock


def sets(generator, shared, own):
    same, left, right = (generator.integers(0, 2**32, n, np.uint32) for n in (shared, own, own))
    return np.concatenate([same, left]), np.concatenate([same, right])


def test_a_signature_by_hand():
    hashes = MinHash(2)
    hashes.factor = np.array([1, 3], np.uint32)
    hashes.offset = np.array([0, 2**32 - 1], np.uint32)
    # 3 x 5 - 1 = 14, 3 x 2 - 1 = 5, 3 x 0 - 1 = 2^32 - 1: the minimum is 5
    assert hashes.signature(np.array([5, 2, 0], np.uint32)).tolist() == [0, 5]


def test_a_block_has_the_signatures_of_its_texts():
    generator = np.random.default_rng(0)
    sizes = np.array([3, 1, 40, 7])
    values = generator.integers(0, 2**32, sizes.sum(), np.uint32)
    hashes = MinHash(16, seed=3)
    block = hashes.signatures(ShingleBlock(values, sizes))
    each = [hashes.signature(part) for part in np.split(values, np.cumsum(sizes)[:-1])]
    assert np.array_equal(block, np.stack(each, axis=1))


def test_the_estimate_is_unbiased_with_the_binomial_variance():
    generator = np.random.default_rng(0)
    k, true, errors = 128, 30 / 150, []
    for seed in range(300):
        a, b = sets(generator, 30, 60)
        hashes = MinHash(k, seed)
        errors.append(estimate(hashes.signature(a), hashes.signature(b)) - true)
    expected = (true * (1 - true) / k) ** 0.5
    assert abs(np.mean(errors)) < 4 * expected / 300**0.5
    assert 0.85 * expected < np.std(errors) < 1.15 * expected


def test_bands_find_pairs_as_often_as_the_formula_says():
    bands, rows, trials = 8, 4, 400
    generator = np.random.default_rng(2)
    found = 0
    for seed in range(trials):
        a, b = sets(generator, 40, 20)
        hashes = MinHash(bands * rows, seed)
        block = ShingleBlock(np.concatenate([a, b]), np.array([len(a), len(b)]))
        keys = band_keys(hashes.signatures(block), bands)
        found += bool((keys[0] == keys[1]).any())
    expected = 1 - (1 - 0.5**rows) ** bands
    assert abs(found / trials - expected) < 4 * (expected * (1 - expected) / trials) ** 0.5


def test_band_keys_are_equal_exactly_where_all_rows_are():
    signatures = np.array([[1, 1, 1], [2, 2, 9], [3, 3, 3], [4, 8, 4]], np.uint32)
    keys = band_keys(signatures, bands=2)
    assert keys.shape == (3, 2)
    assert (keys[0] == keys[1]).tolist() == [True, False]
    assert (keys[0] == keys[2]).tolist() == [False, True]
    swapped = band_keys(np.array([[2], [1]], np.uint32), 1)
    assert swapped[0, 0] != band_keys(np.array([[1], [2]], np.uint32), 1)[0, 0]


def test_buckets_stars_and_open_pairs():
    keys = np.array([[7, 1], [5, 2], [7, 3], [7, 4], [6, 2]], np.uint64)
    found = buckets(keys)
    assert found.members.tolist() == [0, 2, 3, 1, 4] and found.starts.tolist() == [0, 3]
    assert found.stars().tolist() == [[0, 2], [0, 3], [1, 4]]
    # 0 and 2 have joined, 3 has not: it is no copy of 0, but may be one of 2
    assert found.open_pairs(np.array([0, 1, 0, 3, 1])).tolist() == [[2, 3]]
    assert found.open_pairs(np.array([0, 1, 0, 0, 4])).tolist() == []
    assert isinstance(buckets(keys[:1]), Buckets) and len(buckets(keys[:1]).stars()) == 0


@pytest.mark.parametrize("seed", range(3))
def test_buckets_hold_every_pair_that_shares_a_key(seed):
    keys = np.random.default_rng(seed).integers(0, 60, (50, 3)).astype(np.uint64)
    found = buckets(keys)
    pairs = {tuple(pair) for pair in found.open_pairs(np.arange(50)).tolist()}
    pairs |= {tuple(pair) for pair in found.stars().tolist()}
    assert pairs == {
        (i, j) for i in range(50) for j in range(i + 1, 50) if (keys[i] == keys[j]).any()
    }
