"""MinHash signatures, and the bands that find who might be alike without comparing all pairs.

For a random hash function the least hash of a set is equally likely to be that of any member, so
P[two minima agree] = J, the Jaccard similarity (Broder 1997). A signature keeps the minima of k
functions; the share of equal ones estimates J with variance J(1 - J)/k. Cut into b bands of r,
a pair shares a whole band with probability 1 - (1 - J^r)^b (Leskovec, Rajaraman & Ullman, 3.4).

Which hashes: k affine functions h_i(x) = a_i x + b_i mod 2^32, a_i odd, over well-mixed 32-bit
shingles. They are bijections, so no two shingles collide; over random x each set's least hash is
that of a uniform member. `datasketch` 2.0 has the same family ("affine32"): given its a and b, the
signatures are equal bit for bit. One-permutation hashing (Li, Owen & Zhang 2012) would cost 1/k of
the arithmetic, but its estimates vary more on short texts, and here hashing is the smaller half of
the time: cutting text into words is the larger.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt32, UInt64

from course_lib.data.deduplication.shingling import ShingleBlock


class MinHash:
    """k hash functions, drawn from a seed."""

    def __init__(self, permutations: int, seed: int = 0):
        if permutations < 1:
            raise ValueError(f"permutations={permutations}: expected at least 1")
        generator = np.random.default_rng(seed)
        draw = generator.integers(0, 2**32, (2, permutations), np.uint32)
        self.factor, self.offset = draw[0] | np.uint32(1), draw[1]

    def signature(self, grams: UInt32[np.ndarray, " size"]) -> UInt32[np.ndarray, " k"]:
        """The least value of each hash function over one set. ValueError for an empty one."""
        if not len(grams):
            raise ValueError("grams is empty: an empty set has no least value")
        hashed = self.factor[:, None] * grams + self.offset[:, None]  # [k, size], modulo 2^32
        return hashed.min(axis=1)

    def signatures(self, block: ShingleBlock) -> UInt32[np.ndarray, "k texts"]:
        """The same for every text of a block: one function at a time, so that all stays in cache.

        Repeats in the block don't matter: the least of a set is the least of its members.
        """
        starts, hashed = block.starts, np.empty_like(block.values)
        least = np.empty((len(self.factor), len(starts)), np.uint32)
        for row, factor, offset in zip(least, self.factor, self.offset, strict=True):
            np.multiply(block.values, factor, out=hashed)
            np.add(hashed, offset, out=hashed)
            np.minimum.reduceat(hashed, starts, out=row)
        return least


def estimate(a: UInt32[np.ndarray, " k"], b: UInt32[np.ndarray, " k"]) -> float:
    """The similarity that two signatures suggest: the share of equal entries."""
    if len(a) != len(b) or not len(a):
        raise ValueError(f"signatures of {len(a)} and {len(b)} entries: expected as many, and some")
    return float((a == b).mean())


def band_keys(
    signatures: UInt32[np.ndarray, "k texts"], bands: int
) -> UInt64[np.ndarray, "texts bands"]:
    """One 64-bit key for each band: equal where all its rows are, else only by chance (2^-64)."""
    if bands < 1 or len(signatures) % bands:
        raise ValueError(f"bands={bands} doesn't divide a signature's {len(signatures)} entries")
    rows = signatures.reshape(bands, -1, signatures.shape[1])
    key = np.zeros((bands, rows.shape[2]), np.uint64)
    for place in range(rows.shape[1]):
        key += rows[:, place]
        key *= np.uint64(0xD6E8FEB86659FD93)  # odd: a bijection, so no row is lost
        key ^= key >> np.uint64(32)
    return np.ascontiguousarray(key.T)


@dataclass(frozen=True)
class Buckets:
    """Groups of two or more texts that share a band: members one group after the other, sorted."""

    members: Int[np.ndarray, " total"]
    starts: Int[np.ndarray, " groups"]

    def stars(self) -> Int[np.ndarray, "pairs 2"]:
        """Each group's first member with each of the others; every pair once."""
        sizes = np.diff(np.append(self.starts, len(self.members)))
        centre = np.repeat(self.members[self.starts], sizes)
        pairs = np.stack([centre, self.members], axis=1)
        return _distinct(pairs[centre != self.members])

    def open_pairs(self, cluster: Int[np.ndarray, " texts"]) -> Int[np.ndarray, "pairs 2"]:
        """All pairs of a group, beyond its star, whose texts are still in two clusters."""
        found = [np.zeros((0, 2), np.int64)]
        for group in np.split(self.members, self.starts[1:]):
            if len(group) > 2 and (cluster[group] != cluster[group[0]]).any():
                a, b = np.triu_indices(len(group), 1)
                apart = cluster[group[a]] != cluster[group[b]]
                found.append(np.stack([group[a[apart]], group[b[apart]]], axis=1))
        pairs, stars = _distinct(np.concatenate(found)), set(map(tuple, self.stars().tolist()))
        fresh = np.array([tuple(pair) not in stars for pair in pairs.tolist()], bool)
        return pairs[fresh]


def buckets(keys: UInt64[np.ndarray, "texts bands"]) -> Buckets:
    """Sort each band's keys; equal neighbours share a bucket."""
    members, starts, total = [], [], 0
    for column in keys.T:
        order = np.argsort(column)
        key = column[order]
        same, shared = key[1:] == key[:-1], np.zeros(len(key), bool)
        shared[1:] |= same  # equal to the one before
        shared[:-1] |= same  # or after
        place, value = order[shared], key[shared]
        inner = np.lexsort((place, value))
        place, value = place[inner], value[inner]
        first = np.ones(len(value), bool)
        first[1:] = value[1:] != value[:-1]
        members.append(place)
        starts.append(np.flatnonzero(first) + total)
        total += len(place)
    return Buckets(np.concatenate(members), np.concatenate(starts))


def _distinct(pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, "distinct 2"]:
    codes = np.unique(pairs[:, 0] << 32 | pairs[:, 1])
    return np.stack([codes >> 32, codes & 0xFFFFFFFF], axis=1)
