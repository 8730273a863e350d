"""Duplicates: exact ones by hash, near ones by MinHash and locality-sensitive hashing.

Two documents are near-duplicates where the Jaccard similarity of their shingle sets,

    J(A, B) = |A ∩ B| / |A ∪ B|,

reaches a threshold. Comparing all pairs is quadratic. A MinHash signature keeps, for each of k
random hash functions, the least hash of the set; P[two minima agree] = J (Broder 1997), so the
share of equal entries estimates J with variance J(1 - J)/k. Cutting signatures into b bands of r
and comparing only documents that share a whole band finds a pair with probability

    1 - (1 - J^r)^b                    (Leskovec, Rajaraman & Ullman, chapter 3.4).

Every candidate is then checked with the true Jaccard, so bands cost recall but never precision.
The references are `datasketch` and, at scale, datatrove.
"""

import hashlib
import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WORD = re.compile(r"\w+")
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads a 32-bit word hash over 64


@dataclass(frozen=True, kw_only=True)
class DedupConfig:
    """A shingle is `ngram` words; signatures have bands x rows entries."""

    ngram: int = 5
    bands: int = 32
    rows: int = 4
    threshold: float = 0.7
    seed: int = 0

    def __post_init__(self):
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold} must be above 0 and at most 1")

    @property
    def permutations(self) -> int:
        return self.bands * self.rows

    def detection(self, jaccard: float) -> float:
        """The probability that a pair of this similarity is compared at all."""
        return 1 - (1 - jaccard**self.rows) ** self.bands


@dataclass(frozen=True)
class Removal:
    """A document that was removed, the earlier one that stays for it, and how alike they are."""

    index: int
    kept: int
    jaccard: float
    kind: str  # "exact" or "near"


@dataclass(frozen=True)
class Deduplicated:
    kept: list[int]
    removed: list[Removal]
    compared: int  # pairs whose true Jaccard was computed


def deduplicate(texts: Sequence[str], config: DedupConfig | None = None) -> Deduplicated:
    """Keep the first of each group of duplicates, and name the witness of each removal."""
    config = config or DedupConfig()
    hashes = MinHash(config.permutations, config.seed)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    sets: dict[int, np.ndarray] = {}
    seen: dict[bytes, int] = {}
    kept, removed, compared = [], [], 0
    for index, text in enumerate(texts):
        key = fingerprint(text)
        if key in seen:
            removed.append(Removal(index, seen[key], 1.0, "exact"))
            continue
        grams = shingles(text, config.ngram)
        bands = _bands(hashes.signature(grams), config)
        candidates = sorted({other for band in bands for other in buckets[band]})
        scores = [(jaccard(grams, sets[other]), other) for other in candidates]
        compared += len(scores)
        score, other = max(scores, default=(0.0, -1), key=lambda pair: (pair[0], -pair[1]))
        if score >= config.threshold:
            removed.append(Removal(index, other, score, "near"))
            seen[key] = other
            continue
        seen[key], sets[index] = index, grams
        kept.append(index)
        for band in bands:
            buckets[band].append(index)
    return Deduplicated(kept, removed, compared)


def fingerprint(text: str) -> bytes:
    """Equal for texts that differ in nothing but white space."""
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).digest()


def shingles(text: str, ngram: int) -> np.ndarray:
    """The set of a text's runs of `ngram` lower-case words, as sorted 64-bit hashes.

    A text of fewer words is one shingle. Deviation from a set of strings: two different runs
    share a hash with probability 2^-32 or less a pair of words.
    """
    words = WORD.findall(text.lower()) or [text]
    codes = np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint64, len(words))
    size = min(ngram, len(words))
    total = np.zeros(len(words) - size + 1, np.uint64)
    for place in range(size):  # Horner's rule modulo 2^64
        total = (total + codes[place:place + len(total)]) * MIX
        total ^= total >> np.uint64(29)
    return np.unique(total)


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """The true similarity of two shingle sets (sorted, without repeats)."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


class MinHash:
    """k hash functions h_i(x) = the high 32 bits of (a_i x + b_i) mod 2^64, with a_i odd.

    Multiply-shift (Dietzfelbinger et al. 1997) instead of the usual modulus by a prime: it needs
    no more than 64 bits, so NumPy does a document in one expression.
    """

    def __init__(self, permutations: int, seed: int = 0):
        generator = np.random.default_rng(seed)
        top = np.iinfo(np.uint64).max
        self.factor = generator.integers(0, top, (permutations, 1), np.uint64) | np.uint64(1)
        self.offset = generator.integers(0, top, (permutations, 1), np.uint64)

    def signature(self, grams: np.ndarray) -> np.ndarray:
        """The least value of each hash function over the set: k numbers of 32 bits."""
        hashed = (self.factor * grams[None, :] + self.offset) >> np.uint64(32)
        return hashed.min(axis=1).astype(np.uint32)


def estimate(a: np.ndarray, b: np.ndarray) -> float:
    """The similarity that two signatures suggest: the share of equal entries."""
    return float((a == b).mean())


def _bands(signature: np.ndarray, config: DedupConfig) -> list[tuple[int, bytes]]:
    return [(band, signature[band * config.rows:(band + 1) * config.rows].tobytes())
            for band in range(config.bands)]
