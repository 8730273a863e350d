import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.deduplication.clusters import Clusters, fingerprint, ranking, settle
from course_lib.data.deduplication.deduplicate import DedupConfig, deduplicate
from course_lib.data.deduplication.shingling import jaccard, shingles

WORDS = [a + b for a in ("ka", "lo", "mi", "nu", "pe", "ri") for b in ("st", "nd", "rk", "lm")]
UGLY = [
    "",
    "",
    " \n",
    "\x00",
    "\x00" * 9,
    "\ud800",
    "\ud800 broken \udfff",
    "x" * 3_000,
    "word " * 600,
    "\u202e right to left",
    "a b c d e f g h",
    "a b  c d e f g h\n",
]


def prose(generator, n):
    return [generator.choice(WORDS) for _ in range(n)]


def corpus():
    generator = random.Random(3)
    texts = [prose(generator, 80) for _ in range(60)]
    near = texts[7][:40] + ["changed"] + texts[7][41:]
    return [" ".join(words) for words in texts] + [" ".join(near), " \n".join(texts[9])]


def families(seed, n=12, copies=4):
    """Texts in families of growing distance, shuffled."""
    generator = random.Random(seed)
    texts = []
    for _ in range(n):
        words = prose(generator, 60)
        for copy in range(copies):
            words = list(words)
            words[generator.randrange(60)] = f"new{copy}"
            texts.append(" ".join(words))
    generator.shuffle(texts)
    return texts


def nearer(removal, removed):
    """Whether the way from witness to witness ends at the one that stays."""
    steps, place = 0, removal.index
    while place in removed and steps <= len(removed):
        steps, place = steps + 1, removed[place].witness
    return place == removal.kept


def test_planted_duplicates_are_found_with_their_witness():
    result = deduplicate(corpus())
    near, exact = result.removed
    assert (near.index, near.kept, near.witness, near.kind) == (60, 7, 7, "near")
    assert near.score == pytest.approx(71 / 81)  # 5 of 76 shingles changed
    assert (exact.index, exact.kept, exact.kind, exact.score) == (61, 9, "exact", 1.0)
    assert result.kept == list(range(60))
    assert result.compared < 60


@pytest.mark.parametrize("seed", range(5))
def test_the_clusters_are_those_of_comparing_all_pairs(seed):
    texts = families(seed)
    sets = [shingles(text, 5) for text in texts]
    clusters = Clusters(len(texts))
    for a, b in combinations(range(len(texts)), 2):
        if jaccard(sets[a], sets[b]) >= 0.7:
            clusters.union(a, b)
    result = deduplicate(texts, DedupConfig(bands=64, rows=2))
    assert result.kept == [i for i in range(len(texts)) if clusters.find(i) == i]
    for removal in result.removed:
        assert removal.kept == clusters.find(removal.index)
        assert removal.score == pytest.approx(jaccard(sets[removal.index], sets[removal.witness]))
        assert removal.score >= 0.7
        assert nearer(removal, {r.index: r for r in result.removed})


def test_a_chain_names_the_link():
    words = prose(random.Random(1), 100)
    a, b, c = (" ".join(["new"] * n + words[n:]) for n in (0, 8, 16))
    result = deduplicate([a, b, c], DedupConfig(bands=64, rows=2, threshold=0.8))
    assert jaccard(shingles(a, 5), shingles(c, 5)) < 0.8
    assert [(r.index, r.kept, r.witness) for r in result.removed] == [(1, 0, 0), (2, 0, 1)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.randoms())
def test_with_keys_the_order_of_documents_does_not_matter(seed, shuffler):
    texts = families(seed, n=5) + UGLY
    ids = [f"doc-{i % 20}" for i in range(len(texts))]  # repeated ids too
    place = list(range(len(texts)))
    shuffler.shuffle(place)
    config = DedupConfig(bands=10, rows=4)

    def stays(order):
        result = deduplicate([texts[i] for i in order], config, keys=[ids[i] for i in order])
        reasons = sorted(
            (
                ids[order[r.index]],
                texts[order[r.index]],
                texts[order[r.kept]],
                texts[order[r.witness]],
                r.score,
                r.kind,
            )
            for r in result.removed
        )
        return sorted((ids[order[i]], texts[order[i]]) for i in result.kept), reasons

    assert stays(place) == stays(range(len(texts)))


def test_the_number_of_workers_does_not_matter():
    texts = families(1, n=200)
    one, two = (deduplicate(texts, workers=n) for n in (1, 2))
    assert one == two and len(one.removed) > 300


@given(
    st.lists(
        st.text(st.characters(categories=None), max_size=30) | st.sampled_from(UGLY[:7]),
        max_size=12,
    )
)
def test_any_text_is_kept_or_accounted_for(texts):
    for threshold in (0.7, None):
        result = deduplicate(texts, DedupConfig(bands=4, rows=2, threshold=threshold))
        assert sorted(result.kept + [r.index for r in result.removed]) == list(range(len(texts)))
        assert {r.kept for r in result.removed} <= set(result.kept)
        same = [fingerprint(text) for text in texts]
        assert {same[i] for i in result.kept} <= set(same)


def test_ugly_texts():
    giants = ["x" * 1_000_000, "word " * 200_000, "x" * 999_999 + "y"]
    assert deduplicate(giants).kept == [0, 1, 2]
    result = deduplicate(UGLY)
    assert [(r.index, r.kept, r.kind) for r in result.removed] == [
        (1, 0, "exact"),
        (2, 0, "exact"),
        (11, 10, "exact"),
    ]
    assert deduplicate([]).kept == []


def test_without_a_threshold_a_shared_band_decides():
    result = deduplicate(corpus(), DedupConfig(threshold=None))
    assert [(r.index, r.kept, r.score) for r in result.removed] == [(60, 7, None), (61, 9, None)]


def test_a_higher_threshold_keeps_the_near_one():
    assert 60 in deduplicate(corpus(), DedupConfig(threshold=0.95)).kept


def test_white_space_does_not_hide_a_copy():
    assert fingerprint("a  b\n c") == fingerprint("a b c") != fingerprint("ab c")


def test_ranks_follow_keys_then_content():
    assert ranking(["b", "a", "c"], None) == [0, 1, 2]
    assert ranking(["b", "a", "c"], ["2", "9", "1"]) == [2, 0, 1]
    same = ranking(["b", "a"], ["1", "1"])
    assert same == [1 - i for i in ranking(["a", "b"], ["1", "1"])]


def test_settle_prefers_the_keeper_as_witness():
    edges = [(0, 2, 0.71), (1, 2, 0.9), (0, 1, 0.8)]
    removed = settle(edges, range(3), ["x", "y", "z"]).removed
    assert [(r.index, r.witness, r.score) for r in removed] == [(1, 0, 0.8), (2, 0, 0.71)]


def test_witnesses_lead_to_the_keeper_even_where_others_are_more_alike():
    # 2 and 3 are most alike to each other, and both go for 0 by way of 1
    edges = [(0, 1, 0.8), (1, 2, 0.7), (1, 3, 0.75), (2, 3, 0.99), (3, 4, 0.9), (2, 4, 0.9)]
    removed = settle(edges, range(5), list("vwxyz")).removed
    assert [(r.index, r.witness) for r in removed] == [(1, 0), (2, 1), (3, 1), (4, 2)]
    assert {r.kept for r in removed} == {0}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"threshold": 1.5}, "threshold=1.5 must be above 0"),
        ({"bands": 0}, "bands=0"),
        ({"ngram": 0}, "ngram=0"),
        ({"rows": -1}, "rows=-1"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DedupConfig(**options)


def test_keys_and_workers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="keys has 1 entries for 2 texts"):
        deduplicate(["a", "b"], keys=["1"])
    with pytest.raises(ValueError, match="workers=0"):
        deduplicate(["a", "b"], workers=0)
