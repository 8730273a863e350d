"""SimHash (Charikar 2002): 64 bits whose Hamming distance tells the angle of two texts.

A text is a vector that counts its features, here its shingles. Each of 64 random hyperplanes gives
one bit: the side on which the vector lies. Two vectors at angle θ differ in a bit with probability
θ/π. A hyperplane's coordinates are ±1, read from the bits of a hash of each feature, so no vector
is ever built (Manku, Jain & Das Sarma 2007, section 2.1).

Texts within `distance` bits are found without comparing all pairs: cut the 64 bits into
distance + 1 pieces; two such texts agree on a whole piece (section 3).
"""

from collections.abc import Sequence
from math import acos, pi

import numpy as np
from jaxtyping import Int, UInt64

from course_lib.data.deduplication.clusters import Deduplicated, ranking, settle
from course_lib.data.deduplication.minhash import buckets
from course_lib.data.deduplication.shingling import ShingleBlock, shingle_block

BITS = 64


def simhashes(block: ShingleBlock) -> UInt64[np.ndarray, " texts"]:
    """The sign of the sum of each text's ±1 hash bits: one number of 64 bits a text."""
    bits = np.unpackbits(_mixed(block.values).view(np.uint8).reshape(-1, 8), axis=1)
    total = np.add.reduceat(bits, block.starts, axis=0, dtype=np.int64)  # [texts, 64]
    return np.packbits(2 * total > block.sizes[:, None], axis=1).view(np.uint64)[:, 0]


def hamming(a: UInt64[np.ndarray, " n"], b: UInt64[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """In how many of their 64 bits the numbers differ."""
    return np.bitwise_count(a ^ b).astype(np.int64)


def expected_distance(cosine: float) -> float:
    """The mean Hamming distance of two texts whose count vectors have this cosine."""
    return BITS * acos(cosine) / pi


def near_simhashes(
    codes: UInt64[np.ndarray, " texts"], distance: int
) -> tuple[Int[np.ndarray, "pairs 2"], Int[np.ndarray, " pairs"]]:
    """Every pair at most `distance` bits apart, with its distance; none is missed.

    Raises ValueError for a distance below 0 or above 15: pieces get too short to separate texts.
    """
    if not 0 <= distance <= 15:
        raise ValueError(f"distance={distance} must be between 0 and 15 bits")
    cuts = np.linspace(0, BITS, distance + 2).astype(int)
    pieces = [
        codes >> np.uint64(low) & np.uint64(2 ** int(high - low) - 1)
        for low, high in zip(cuts[:-1], cuts[1:], strict=True)
    ]
    found = buckets(np.stack(pieces, axis=1))
    pairs = np.concatenate([found.stars(), found.open_pairs(np.arange(len(codes)))])
    apart = hamming(codes[pairs[:, 0]], codes[pairs[:, 1]])
    return pairs[apart <= distance], apart[apart <= distance]


def deduplicate_simhash(
    texts: Sequence[str], distance: int = 3, ngram: int = 1, *, keys: Sequence[str] | None = None
) -> Deduplicated:
    """Keep one of each cluster of texts within `distance` bits; a score is the share of bits."""
    order = ranking(texts, keys)
    codes = simhashes(shingle_block([texts[i] for i in order], ngram))
    pairs, apart = near_simhashes(codes, distance)
    edges = (
        (a, b, 1 - bits / BITS) for (a, b), bits in zip(pairs.tolist(), apart.tolist(), strict=True)
    )
    return settle(edges, order, texts, compared=len(pairs))


def _mixed(values: np.ndarray) -> UInt64[np.ndarray, " total"]:
    """64 mixed bits of each 32-bit shingle: the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)
