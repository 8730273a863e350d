"""Deduplication against `datasketch`, datatrove, scikit-learn and plain comparisons."""

from itertools import islice

import numpy as np
from datasketch import MinHash as ReferenceMinHash
from datasketch import MinHashLSH
from scipy.stats import chi2_contingency, ks_2samp

from course_lib.data.deduplication.clusters import Clusters
from course_lib.data.deduplication.deduplicate import DedupConfig, deduplicate, document_keys
from course_lib.data.deduplication.embeddings import similar_pairs
from course_lib.data.deduplication.minhash import MinHash, buckets, estimate
from course_lib.data.deduplication.shingling import jaccard, jaccards, shingles
from course_lib.data.pipeline import prepare
from course_lib.data.scale import CleanAndJudge, Decide, LeaveOut, WriteKeys, WriteShards
from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import Tokenizer

DATASKETCH = "datasketch 2.0 MinHash"


def unmixed(values):
    """What datasketch's premix (MurmurHash3's finaliser, a bijection) turns into `values`."""
    mask, x = 2**32 - 1, values.astype(np.uint64)
    for step in ("16", pow(0xC2B2AE35, -1, 2**32), "13", pow(0x85EBCA6B, -1, 2**32), "16"):
        if isinstance(step, str):  # x ^= x >> n undone
            y = x
            for _ in range(32 // int(step)):
                y = x ^ (y >> np.uint64(int(step)))
            x = y
        else:
            x = x * np.uint64(step) & np.uint64(mask)
    return [int(v) for v in x]


def sketch(values, k, seed, **options):
    made = ReferenceMinHash(num_perm=k, seed=seed, hashfunc=int, **options)
    made.update_batch(values)
    return made


def test_the_same_permutations_give_the_same_signature(parity):
    generator, wrong = np.random.default_rng(0), 0
    for seed in range(20):
        grams = generator.integers(0, 2**32, 50 + 40 * seed, np.uint32)
        ours = MinHash(112, seed)
        theirs = sketch(
            unmixed(grams), 112, 1, scheme="affine32", permutations=(ours.factor, ours.offset)
        )
        wrong += int((ours.signature(grams) != theirs.hashvalues).sum())
    parity(
        stem="data",
        ours="data.minhash.MinHash",
        reference=DATASKETCH,
        error=wrong,
        tolerance=0,
        note="entries that differ in 20 signatures, given its a and b",
    )


def similarities(n=250, k=112, shared=60, own=20):
    """Estimated similarity of n pairs of sets whose true one is shared / (shared + 2 own)."""
    generator = np.random.default_rng(5)
    for seed in range(n):
        values = generator.integers(0, 2**32, shared + 2 * own, np.uint32)
        pair = values[: shared + own], np.concatenate([values[:shared], values[shared + own :]])
        hashes = MinHash(k, seed)
        a, b = (sketch([int(v) for v in grams], k, seed + 1) for grams in pair)
        yield estimate(*map(hashes.signature, pair)), a.jaccard(b)


def test_estimates_in_distribution(parity):
    """Seeds of their own, so other estimates: two samples of one distribution, the binomial."""
    ours, theirs = map(np.array, zip(*similarities(), strict=True))
    assert abs(ours.mean() - 0.6) < 4 * (0.24 / 112 / 250) ** 0.5
    smirnov = ks_2samp(ours, theirs)
    edges = np.quantile(np.concatenate([ours, theirs]), [0, 0.2, 0.4, 0.6, 0.8, 1])
    edges[0], edges[-1] = -1, 2
    counts = [np.histogram(values, edges)[0] for values in (ours, theirs)]
    assert chi2_contingency(counts).pvalue > 1e-4  # two samples, each with its own noise
    parity(
        stem="data",
        ours="data.minhash.estimate",
        reference=DATASKETCH,
        error=smirnov.statistic,
        tolerance=1.95 * (2 / 250) ** 0.5,
        note="Kolmogorov-Smirnov distance of 250 estimates of J = 0.6; tolerance p = 0.001",
    )


def docstrings(n):
    kinds = {"kinds": ("package",), "packages": ("numpy",)}
    return [record.text for record in islice(source("python_docs", **kinds), n)]


def test_clusters_with_the_true_similarity(parity):
    """The clusters of datasketch's candidates, checked with the same true similarity."""
    texts, config = docstrings(700), DedupConfig()
    sets = [shingles(text, config.ngram) for text in texts]
    index = MinHashLSH(num_perm=128, params=(config.bands, config.rows))
    clusters = Clusters(len(texts))
    for i, grams in enumerate(sets):
        made = sketch([int(g) for g in grams], 128, 1)
        for j in index.query(made):
            if jaccard(grams, sets[j]) >= config.threshold:
                clusters.union(i, j)
        index.insert(i, made)
    theirs = {i for i in range(len(texts)) if clusters.find(i) != i}
    ours = {r.index for r in deduplicate(texts, config).removed}
    assert len(ours) > 5
    parity(
        stem="data",
        ours="data.dedup.deduplicate",
        reference="datasketch 2.0 MinHashLSH",
        error=len(ours ^ theirs) / len(ours | theirs),
        tolerance=0.02,
        note="share of removals on 700 docstrings that differ (LSH is random near J = 0.7)",
    )


def test_real_text_meets_the_s_curve(parity):
    """Of real pairs, as many share a band as the formula says: shingle hashes are mixed enough."""
    texts = docstrings(700)
    sure = document_keys(texts, DedupConfig(bands=64, rows=2, seed=99))
    pairs = np.concatenate([buckets(sure).stars(), buckets(sure).open_pairs(np.arange(len(texts)))])
    true = jaccards(texts, pairs, 5)
    pairs, true = pairs[(true > 0.5) & (true < 0.95)], true[(true > 0.5) & (true < 0.95)]
    seeds, found = 15, 0.0
    for seed in range(seeds):
        config = DedupConfig(bands=14, rows=8, seed=seed)
        keys = document_keys(texts, config)
        found += (keys[pairs[:, 0]] == keys[pairs[:, 1]]).any(axis=1).sum()
    chance = config.detection(true)
    expected, variance = seeds * chance.sum(), seeds * (chance * (1 - chance)).sum()
    assert len(pairs) > 20
    parity(
        stem="data",
        ours="data.dedup.document_keys",
        reference="1 - (1 - J^r)^b",
        error=abs(found - expected) / expected,
        tolerance=8 * variance**0.5 / expected,
        note="real pairs found by 15 seeds; pairs share documents, so 8 standard errors",
    )


def test_estimates_of_datatrove_in_distribution(parity, tmp_path):
    """Its signatures take a modulus by a prime of 61 bits; the estimates' distribution is ours."""
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.hashing import HashConfig

    generator, ours, theirs = np.random.default_rng(9), [], []
    for seed in range(200):
        same, left, right = (generator.integers(0, 2**32, n, np.uint32) for n in (60, 20, 20))
        pair, hashes = [np.concatenate([same, own]) for own in (left, right)], MinHash(112, seed)
        ours.append(estimate(*map(hashes.signature, pair)))
        config = MinhashConfig(seed=seed, hash_config=HashConfig(hash_fc="sha1"))
        stage = MinhashDedupSignature(str(tmp_path), config)
        a, b = (
            np.concatenate(stage.get_signature(grams.astype(np.uint64)[:, None])) for grams in pair
        )
        theirs.append(float((a == b).mean()))
    parity(
        stem="data",
        ours="data.minhash.estimate",
        reference="datatrove 0.10 MinhashDedupSignature",
        error=ks_2samp(ours, theirs).statistic,
        tolerance=1.95 * (2 / 200) ** 0.5,
        note="Kolmogorov-Smirnov distance of 200 estimates of J = 0.6; tolerance p = 0.001",
    )


def test_similar_pairs(parity):
    from sklearn.metrics.pairwise import cosine_similarity

    vectors = np.random.default_rng(3).normal(size=(300, 6))
    rows, columns = np.nonzero(np.triu(cosine_similarity(vectors) >= 0.9, 1))
    pairs, _ = similar_pairs(vectors, 0.9)
    theirs = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(theirs) > 100
    parity(
        stem="data",
        ours="data.embedding_dedup.similar_pairs",
        reference="scikit-learn cosine_similarity",
        tolerance=0,
        error=len(theirs ^ set(map(tuple, pairs.tolist()))),
        note="pairs of 300 vectors at 0.9 that differ",
    )


def test_the_executor_runs_our_steps_to_the_same_documents(parity, tmp_path):
    import contextlib
    import io
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    records = list(islice(source("python_docs", kinds=("package",), packages=("numpy",)), 300))
    (tmp_path / "raw").mkdir()
    for number in range(3):
        part = records[number::3]
        pq.write_table(
            pa.table({"id": [r.id for r in part], "text": [r.text for r in part]}),
            tmp_path / "raw" / f"{number}.parquet",
        )
    config, at = DedupConfig(), tmp_path
    first = [
        ParquetReader(str(at / "raw")),
        CleanAndJudge(at / "reasons"),
        WriteKeys(at / "keys", config),
        ParquetWriter(str(at / "texts"), output_filename="${rank}.parquet"),
    ]
    last = [
        ParquetReader(str(at / "texts")),
        LeaveOut(at / "gone"),
        WriteShards(at / "shards", Tokenizer([])),
    ]
    with contextlib.redirect_stderr(io.StringIO()):
        for run, (steps, tasks) in enumerate(
            ((first, 2), ([Decide(at / "keys", at / "texts", at / "gone", config)], 1), (last, 2))
        ):
            LocalPipelineExecutor(
                steps,
                tasks=tasks,
                workers=tasks,
                start_method="fork",
                logging_dir=str(at / f"log{run}"),
            ).run()
    left = {name for path in at.glob("shards/*/ids.json") for name in json.loads(path.read_text())}
    ours = {record.id for record in prepare(records, dedup=config).kept}
    assert 50 < len(ours) < len(records)
    parity(
        stem="data",
        ours="data.pipeline.prepare",
        error=len(left ^ ours),
        tolerance=0,
        reference="datatrove 0.10 LocalPipelineExecutor, 2 workers",
        note="ids of 300 docstrings that only one of the two keeps, with our steps in both",
    )
