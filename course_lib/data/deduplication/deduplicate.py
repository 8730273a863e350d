"""Near-duplicates by MinHash and bands, from texts to what stays and why.

    texts -> shingles -> k minima -> b band keys -> buckets -> true Jaccard -> clusters

Only band keys are kept of each document: 8 bytes a band. Buckets propose pairs, and the true
Jaccard of the texts decides, so bands cost recall but never precision. With `threshold=None` a
shared band decides by itself, as in datatrove's pipeline. The references are `datasketch` and, at
scale, datatrove.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from jaxtyping import Int, UInt64

from course_lib.data.deduplication.clusters import Clusters, Deduplicated, Edge, ranking, settle
from course_lib.data.deduplication.minhash import Buckets, MinHash, band_keys, buckets
from course_lib.data.deduplication.shingling import jaccards, shingle_block

BLOCK_TEXTS, BLOCK_CHARACTERS = 256, 400_000  # shingles of a block fit a core's own cache


@dataclass(frozen=True, kw_only=True)
class DedupConfig:
    """A shingle is `ngram` words; signatures have bands x rows entries.

    The web-scale setting of FineWeb (Penedo et al. 2024) is bands=14, rows=8: 112 hashes.
    """

    ngram: int = 5
    bands: int = 32
    rows: int = 4
    threshold: float | None = 0.7
    seed: int = 0

    def __post_init__(self):
        for name in ("ngram", "bands", "rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ValueError(
                f"threshold={self.threshold} must be above 0 and at most 1, or None "
                "to let a shared band decide"
            )

    @property
    def permutations(self) -> int:
        return self.bands * self.rows

    @property
    def bytes_per_document(self) -> int:
        """What is kept of a document while the others are read: its band keys."""
        return 8 * self.bands

    def detection(self, jaccard: float | np.ndarray) -> float | np.ndarray:
        """The probability that a pair of this similarity is compared at all."""
        return 1 - (1 - jaccard**self.rows) ** self.bands


def deduplicate(
    texts: Sequence[str],
    config: DedupConfig | None = None,
    *,
    keys: Sequence[str] | None = None,
    workers: int = 1,
) -> Deduplicated:
    """Keep one of each cluster of near-duplicates, and name the witness of each removal.

    keys: ids that decide who stays (the smallest); without, the first does. workers: processes
    that make the band keys. The answer is the same for any number of workers and, with keys, for
    any order of the documents.
    """
    config = config or DedupConfig()
    return decide(document_keys(texts, config, workers), texts, config, keys)


def decide(
    codes: UInt64[np.ndarray, "texts bands"],
    texts: Sequence[str],
    config: DedupConfig,
    keys: Sequence[str] | None = None,
) -> Deduplicated:
    """The second half of `deduplicate`, from band keys on: it asks for candidates' texts alone."""
    order = ranking(texts, keys)
    shared = buckets(codes[order])
    edges = list(_edges(texts, np.array(order, np.int64), shared, config))
    return settle(
        (edge for edge in edges if edge[2] is None or edge[2] >= config.threshold),
        order,
        texts,
        compared=len(edges),
    )


def document_keys(
    texts: Sequence[str], config: DedupConfig, workers: int = 1
) -> UInt64[np.ndarray, "texts bands"]:
    """The band keys of every document: all that must be known of it to find its duplicates."""
    if workers < 1:
        raise ValueError(f"workers={workers} must be at least 1")
    work = partial(_block_keys, config=config, hashes=MinHash(config.permutations, config.seed))
    if workers == 1:
        parts = list(map(work, _blocks(texts)))
    else:
        with get_context("fork").Pool(workers) as pool:
            parts = list(pool.imap(work, _blocks(texts)))
    return np.concatenate([np.zeros((0, config.bands), np.uint64), *parts])


def _block_keys(
    block: list[str], config: DedupConfig, hashes: MinHash
) -> UInt64[np.ndarray, "texts bands"]:
    grams = shingle_block(block, config.ngram)
    return band_keys(hashes.signatures(grams), config.bands)


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    block, size = [], 0
    for text in texts:
        if block and (len(block) == BLOCK_TEXTS or size + len(text) > BLOCK_CHARACTERS):
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text)
    if block:
        yield block


def _edges(
    texts: Sequence[str], order: Int[np.ndarray, " texts"], shared: Buckets, config: DedupConfig
) -> Iterator[Edge]:
    """Pairs of ranks that share a band, with their true similarity, as far as clusters need them.

    First every bucket's first member with each of the others. Then, where that left a bucket in
    several clusters, its other pairs. Pairs of one cluster needn't be compared: the clusters are
    those of comparing every pair of every bucket.
    """
    stars = shared.stars()
    if config.threshold is None:
        yield from ((a, b, None) for a, b in stars.tolist())
        return
    clusters, score = Clusters(len(texts)), partial(jaccards, texts, ngram=config.ngram)
    for (a, b), similarity in zip(stars.tolist(), score(order[stars]).tolist(), strict=True):
        if similarity >= config.threshold:
            clusters.union(a, b)
        yield a, b, similarity
    rest = shared.open_pairs(np.array([clusters.find(i) for i in range(len(texts))], np.int64))
    for (a, b), similarity in zip(rest.tolist(), score(order[rest]).tolist(), strict=True):
        yield a, b, similarity
