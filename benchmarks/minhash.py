"""Near-duplicates end to end, ours beside datasketch and datatrove: 112 hashes in 14 bands of 8.

    python benchmarks/minhash.py                       # 20,000 documents of 1.5 kB (minutes)
    python benchmarks/minhash.py --documents 2000 --rounds 3
    python benchmarks/minhash.py --growth 50000 100000 200000   # ours alone

All three join any two documents that share a band. Ours is also run with its default last step, the
true Jaccard of every candidate. datatrove runs its four stages on its local executor, one worker,
with SHA-1 (its xxhash module fails on xxhash 4.1), its files in memory where there is /dev/shm.
"""

import argparse
import contextlib
import hashlib
import os
import resource
import shutil
import statistics
import struct
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from _bench import interleave, show

from course_lib.data.deduplication.clusters import Clusters
from course_lib.data.deduplication.deduplicate import DedupConfig, deduplicate, document_keys
from course_lib.data.deduplication.minhash import MinHash
from course_lib.data.deduplication.shingling import WORD, jaccards, shingle_block

NGRAM, BANDS, ROWS = 5, 14, 8
CONFIG = DedupConfig(ngram=NGRAM, bands=BANDS, rows=ROWS, threshold=None)
CHECKED = DedupConfig(ngram=NGRAM, bands=BANDS, rows=ROWS, threshold=0.7)


def corpus(documents: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Zipf-distributed words, 1.5 kB a text; every fourth is a copy with 0 to 12 words changed.

    Returns the texts and the planted pairs.
    """
    generator = np.random.default_rng(seed)
    letters = generator.integers(97, 123, (30_000, 9)).astype(np.uint8)
    vocabulary = [
        bytes(row[:n]).decode()
        for row, n in zip(letters, generator.integers(2, 10, 30_000), strict=True)
    ]
    weights = 1 / np.arange(1, 30_001)
    weights /= weights.sum()
    copies, texts = documents // 4, []
    while len(texts) < documents - copies:
        missing = documents - copies - len(texts)
        rows = generator.choice(30_000, (min(1000, missing), 245), p=weights)
        texts += [" ".join(map(vocabulary.__getitem__, row)) for row in rows.tolist()]
    for original in range(copies):
        words = texts[original].split()
        for place in generator.integers(0, len(words), generator.integers(0, 13)):
            words[place] = f"new{generator.integers(10**6)}"
        texts.append(" ".join(words))
    pairs = np.stack([np.arange(copies), documents - copies + np.arange(copies)], axis=1)
    return texts, pairs


def datasketch_clusters(texts: list[str]) -> list[int]:
    """The library as its own documentation uses it: strings of n words, insert and query."""
    from datasketch import MinHash as Sketch
    from datasketch import MinHashLSH

    index, clusters = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS)), Clusters(len(texts))
    sketches = Sketch.generator(map(_shingle_strings, texts), num_perm=BANDS * ROWS)
    for i, sketch in enumerate(sketches):
        for j in index.query(sketch):
            clusters.union(i, j)
        index.insert(i, sketch, check_duplication=False)
    return [clusters.find(i) for i in range(len(texts))]


def _shingle_strings(text: str) -> list[bytes]:
    words = WORD.findall(text.lower())
    return [
        piece.encode()
        for piece in {" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))}
    ]


def datatrove_clusters(texts: list[str]) -> list[int]:
    """Its four stages; the clusters are read from the pairs that its second stage wrote."""
    from datatrove.data import Document
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.hashing import HashConfig

    shared = Path("/dev/shm")
    folder = tempfile.mkdtemp(dir=shared if shared.is_dir() else None)
    config = MinhashConfig(
        n_grams=NGRAM,
        num_buckets=BANDS,
        hashes_per_bucket=ROWS,
        hash_config=HashConfig(precision=64, hash_fc="sha1"),
    )
    documents = [Document(text=text, id=str(i)) for i, text in enumerate(texts)]
    stages = [
        ([documents, MinhashDedupSignature(f"{folder}/signatures", config)], 1),
        ([MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/pairs", config=config)], BANDS),
        ([MinhashDedupCluster(f"{folder}/pairs", f"{folder}/remove", config)], 1),
        ([documents, MinhashDedupFilter(f"{folder}/remove")], 1),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            LocalPipelineExecutor(
                pipeline, tasks=tasks, workers=1, logging_dir=f"{folder}/log{number}"
            ).run()
    clusters = Clusters(len(texts))
    for path in Path(folder, "pairs").glob("*.dups"):
        for _, a, _, b in struct.iter_unpack("<4I", path.read_bytes()):
            clusters.union(a, b)
    shutil.rmtree(folder)
    return [clusters.find(i) for i in range(len(texts))]


def our_clusters(texts: list[str], config: DedupConfig = CONFIG) -> list[int]:
    root = list(range(len(texts)))
    for removal in deduplicate(texts, config).removed:
        root[removal.index] = removal.kept
    return root


def report_recall(texts: list[str], pairs: np.ndarray, answers: dict[str, list[int]]) -> None:
    """Share of the planted pairs in one cluster, beside what the S-curve promises for them."""
    true = jaccards(texts, pairs, NGRAM)
    alike = true >= CHECKED.threshold
    pairs, true = pairs[alike], true[alike]
    print(
        f"  {len(pairs)} planted pairs of Jaccard 0.7 or more; the S-curve promises a recall of "
        f"{CONFIG.detection(true).mean():.4f}"
    )
    for name, root in answers.items():
        root = np.array(root)
        recall = (root[pairs[:, 0]] == root[pairs[:, 1]]).mean()
        print(f"  recall {recall:.4f}  {name}")


def report_limit(texts: list[str]) -> None:
    """What the work costs at least here: the words' split, and 112 products of each shingle."""
    grams = shingle_block(texts[:256], NGRAM)
    values, out = grams.values, np.empty_like(grams.values)
    seconds = interleave(
        {
            "split": lambda: [text.split() for text in texts],
            "sha1 of each shingle": lambda: [
                hashlib.sha1(b"a b c d e") for _ in range(len(values))
            ],
            "products": lambda: [
                np.multiply(values, np.uint32(i | 1), out=out) for i in range(112)
            ],
            "signatures": lambda: MinHash(112).signatures(grams),
        },
        rounds=3,
        warmup=1,
    )
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    scale = len(texts) / 256
    print(
        f"  limits: str.split alone {middle['split']:.2f} s; 112 products of each shingle "
        f"{middle['products'] * scale:.2f} s; our 112 minima "
        f"{middle['signatures'] * scale:.2f} s; one SHA-1 a shingle "
        f"{middle['sha1 of each shingle'] * scale:.2f} s"
    )


def report_memory(texts: list[str]) -> None:
    tracemalloc.start()
    keys = document_keys(texts, CONFIG)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"  memory: {keys.nbytes / len(texts):.0f} bytes kept a document, "
        f"peak {peak / len(texts):.0f} a document beyond the texts"
    )


def growth(sizes: list[int]) -> None:
    for size in sizes:
        texts, _ = corpus(size)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        removed = len(deduplicate(texts, CONFIG).removed)
        seconds = time.process_time() - began
        began = time.process_time()
        deduplicate(texts, CHECKED)
        checked = time.process_time() - began
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(
            f"  {size:>8,} documents: {seconds:6.2f} s, {seconds / size * 1e6:5.1f} µs each; "
            f"with the true Jaccard {checked / size * 1e6:5.1f} µs; {removed:,} removed; "
            f"resident memory grew by {more / size * 1024:.0f} bytes a document"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=int, nargs="*", default=[])
    chosen = parser.parse_args()
    if chosen.growth:
        growth(chosen.growth)
        return
    texts, pairs = corpus(chosen.documents)
    answers: dict[str, list[int]] = {}

    def run(name: str, call) -> None:
        answers[name] = call(texts)

    contestants = {
        "course_lib": our_clusters,
        "course_lib, true Jaccard": lambda texts: our_clusters(texts, CHECKED),
        "datasketch": datasketch_clusters,
        "datatrove": datatrove_clusters,
    }
    seconds = interleave(
        {name: lambda name=name, call=call: run(name, call) for name, call in contestants.items()},
        chosen.rounds,
        warmup=0,
    )
    size = statistics.mean(map(len, texts))
    show(f"{len(texts):,} documents of {size:.0f} bytes, {BANDS} bands of {ROWS}", seconds)
    report_recall(texts, pairs, answers)
    report_limit(texts)
    report_memory(texts)


if __name__ == "__main__":
    main()
