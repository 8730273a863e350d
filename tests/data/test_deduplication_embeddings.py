import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.deduplication.embeddings import (
    deduplicate_vectors,
    similar_pairs,
    text_vectors,
)


def test_by_hand():
    vectors = np.array([[1, 0], [2, 0], [1, 1], [0, 0], [-1, 0]], np.float64)
    pairs, scores = similar_pairs(vectors, 0.7)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert scores == pytest.approx([1, 0.5**0.5, 0.5**0.5])


@given(st.integers(0, 10))
def test_blocks_miss_no_pair(seed):
    vectors = np.random.default_rng(seed).normal(size=(60, 3))
    import course_lib.data.deduplication.embeddings as module

    whole = similar_pairs(vectors, 0.95)[0].tolist()
    kept, module.BLOCK = module.BLOCK, 7
    try:
        assert sorted(similar_pairs(vectors, 0.95)[0].tolist()) == sorted(whole)
    finally:
        module.BLOCK = kept
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert sorted(whole) == [
        [i, j] for i in range(60) for j in range(i + 1, 60) if unit[i] @ unit[j] >= 0.95
    ]


def test_texts_that_say_the_same_in_another_order():
    texts = [
        "the cat sat on the mat in the sun",
        "in the sun the cat sat on the mat",
        "prices of bread rose again this year",
        "stars are far away and very old",
    ]
    result = deduplicate_vectors(texts, text_vectors(texts, 8), 0.9)
    assert [(r.index, r.kept, r.kind) for r in result.removed] == [(1, 0, "near")]
    other = deduplicate_vectors(texts, text_vectors(texts, 8), 0.9, keys=["b", "a", "c", "d"])
    assert [(r.index, r.kept) for r in other.removed] == [(0, 1)]


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="threshold=0"):
        similar_pairs(np.ones((2, 2)), 0.0)
    with pytest.raises(ValueError, match="vectors has 1 rows for 2 texts"):
        deduplicate_vectors(["a", "b"], np.ones((1, 3)))
