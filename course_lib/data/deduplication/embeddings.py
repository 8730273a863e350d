"""Duplicates by meaning: texts whose embeddings point the same way.

SemDeDup (Abbas et al. 2023) embeds every document and drops those whose cosine with another is
above a threshold; SemHash does the same with small static embeddings. Any embedding will do: a
matrix goes in. `text_vectors` makes one without a model: TF-IDF of words, reduced by a truncated
SVD (latent semantic analysis, Deerwester et al. 1990). All pairs are compared, a block at a time:
O(n²), fine to some 50,000 documents. SemDeDup compares inside k-means clusters alone.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Int

from course_lib.data.deduplication.clusters import Deduplicated, ranking, settle
from course_lib.data.deduplication.shingling import WORD, words

BLOCK = 1024  # rows of the similarity matrix at once


def text_vectors(
    texts: Sequence[str], size: int = 128, seed: int = 0
) -> Float32[np.ndarray, "texts size"]:
    """TF-IDF of words, the logarithm of each count, reduced to `size` numbers by scikit-learn.

    In scripts without spaces a character is a word, as in `shingling`. Raises ValueError for fewer
    than two texts, or where they hold fewer than two different words.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    different = {word for text in texts for word in words(text)}
    if size < 1 or len(texts) < 2 or len(different) < 2:
        raise ValueError(
            f"{len(texts)} texts of {len(different)} different words, size={size}: expected at "
            "least 2, 2 and 1"
        )
    counts = TfidfVectorizer(sublinear_tf=True, token_pattern=WORD.pattern).fit_transform(texts)
    size = min(size, min(counts.shape) - 1)
    return TruncatedSVD(size, random_state=seed).fit_transform(counts).astype(np.float32)


def similar_pairs(
    vectors: Float[np.ndarray, "texts size"], threshold: float
) -> tuple[Int[np.ndarray, "pairs 2"], Float32[np.ndarray, " pairs"]]:
    """Every pair whose cosine is at least the threshold, with it. A zero vector is like nothing."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} must be above 0 and at most 1")
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(norm > 0, norm, 1)).astype(np.float32)
    pairs, scores = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.float32)]
    for start in range(0, len(unit), BLOCK):
        cosine = unit[start : start + BLOCK] @ unit[start:].T
        row, column = np.nonzero(cosine >= threshold - 1e-6)  # rounding must not lose equal ones
        later = column > row
        pairs.append(np.stack([row[later], column[later]], axis=1) + start)
        scores.append(cosine[row[later], column[later]])
    return np.concatenate(pairs), np.minimum(np.concatenate(scores), 1)


def deduplicate_vectors(
    texts: Sequence[str],
    vectors: Float[np.ndarray, "texts size"],
    threshold: float = 0.9,
    *,
    keys: Sequence[str] | None = None,
) -> Deduplicated:
    """Keep one of each cluster of documents whose vectors reach the threshold."""
    if len(vectors) != len(texts):
        raise ValueError(
            f"vectors has {len(vectors)} rows for {len(texts)} texts: expected as many"
        )
    order = ranking(texts, keys)
    pairs, scores = similar_pairs(vectors[order], threshold)
    edges = ((a, b, score) for (a, b), score in zip(pairs.tolist(), scores.tolist(), strict=True))
    return settle(edges, order, texts, compared=len(texts) * (len(texts) - 1) // 2)
