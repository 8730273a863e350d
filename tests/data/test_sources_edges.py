"""Nothing, too little, and numbers that mean nothing: each is asked of the whole chapter once.

The suite's hook checks types before our own lines are reached; without it (`--jaxtyping-packages=`)
the sentences are asked for.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from course_lib.data.deduplication import minhash, shingling
from course_lib.data.deduplication.embeddings import similar_pairs, text_vectors
from course_lib.data.filtering.quality import QualityRules, judge
from course_lib.data.mixing import packing, shards, weights
from course_lib.data.mixing.loader import LoaderConfig, PackedLoader
from course_lib.data.mixing.windows import random_windows
from course_lib.data.privacy.toxicity import Lexicon
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.data.tokenization.unigram import train_unigram
from course_lib.data.tokenization.wordpiece import pieces_of, train_wordpiece

TOKENIZER = train_bpe(["the mill at the end"], 300)
NONE = np.zeros(0, np.uint32)


@contextmanager
def refused(sentence: str) -> Iterator[None]:
    """A ValueError with this sentence, or the hook's, which speaks of types."""
    with pytest.raises((ValueError, TypeError)) as error:
        yield
    assert sentence in str(error.value) or "Type-check error" in str(error.value)


@pytest.mark.parametrize("token", [-1, TOKENIZER.vocab_size, 1.7, "5", None, torch.tensor(260.7)])
def test_what_is_no_token_is_no_text(token):
    for call in (TOKENIZER.decode, TOKENIZER.decode_bytes):
        with refused("expected a whole number from 0 to"):
            call([token])
    assert TOKENIZER.decode(TOKENIZER.encode("the mill")) == "the mill"


@pytest.mark.parametrize("half", ["a\udc80b", "a\ud83d", "\udfff"])
def test_half_a_character_is_not_learned(half):
    for call in (lambda: train_bpe(["é", half], 300), lambda: TOKENIZER.encode_batch(["a", half])):
        with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
            call()


def test_the_shortest_texts_are_judged():
    for least, text in ((0, ""), (0, " \n"), (1, "mill"), (2, "the mill")):
        judge(text, QualityRules(min_words=least))
    assert judge("mill", QualityRules(min_words=1)).keep


def test_empty_sets_are_equal():
    assert shingling.jaccard(NONE, NONE) == 1 and shingling.jaccard(NONE, np.uint32([1])) == 0


def test_vectors_of_scripts_without_spaces():
    a = "今天天气很好我们一起去公园散步然后在湖边吃午饭最后坐公共汽车回家"
    other = "完全不同的另一篇文章讲的是如何训练语言模型和评估它们的质量"
    pairs, _ = similar_pairs(text_vectors([a, a.replace("公园", "海边"), other]), 0.7)
    assert pairs.tolist() == [[0, 1]]
    assert shingling.words("ﾃﾞｰﾀを") == ["ﾃ", "ﾞ", "ｰ", "ﾀ", "を"]


def test_words_that_never_come_are_left_out():
    assert set(train_unigram({"": 3, "ab": 0, "cd": 1}, 10)) == {"c", "d"}
    assert pieces_of("") == [] and packing.pack([], 8, 0).efficiency == 0


EYE = np.eye(8, 2).tolist()
STREAM = torch.arange(20)
REFUSED = {
    "ngram=0": lambda: shingling.shingles("a b c", 0),
    "ngram=-1": lambda: shingling.shingle_block(["a b c"], -1),
    "permutations=0": lambda: minhash.MinHash(0),
    "grams is empty": lambda: minhash.MinHash(4).signature(NONE),
    "signatures of 0 and 0": lambda: minhash.estimate(NONE, NONE),
    "signatures of 1 and 2": lambda: minhash.estimate(np.uint32([1]), np.uint32([1, 2])),
    "bands=2 doesn't divide": lambda: minhash.band_keys(np.zeros((7, 2), np.uint32), 2),
    "bands=0 doesn't divide": lambda: minhash.band_keys(np.zeros((7, 2), np.uint32), 0),
    "0 texts of 0": lambda: text_vectors([]),
    "2 texts of 0": lambda: text_vectors(["", " "]),
    "1 texts of 2": lambda: text_vectors(["the mill"]),
    "counts is empty": lambda: train_unigram({"": 1}, 10),
    "=-3: expected how often": lambda: train_unigram({"ab": -3}, 10),
    "=nan: expected how often": lambda: train_unigram({"ab": math.nan}, 10),
    "longest=0": lambda: train_unigram({"ab": 3}, 10, longest=0),
    "shrink=1.0": lambda: train_unigram({"ab": 3}, 10, shrink=1.0),
    "min_count=0": lambda: train_wordpiece({"ab": 0}, 10, min_count=0),
    "pieces of 0 tokens": lambda: packing.pack_texts(["the mill"], TOKENIZER, 1),
    "pieces of -1 tokens": lambda: packing.chunks([1, 2], -1),
    "torch.float32 from": lambda: packing.pack([[1, 2.5]], 8, 0),
    "from -100": lambda: packing.pack([[5, -100]], 8, 0),
    "batch_size=0": lambda: random_windows(STREAM, 0, seq_len=4, batch_size=0),
    "batch_size=-2": lambda: random_windows(STREAM, 0, seq_len=4, batch_size=-2),
    "seq_len=0": lambda: random_windows(STREAM, 0, seq_len=0, batch_size=1),
    "step=-1": lambda: random_windows(STREAM, -1, seq_len=4, batch_size=1),
    "world_size=0": lambda: random_windows(STREAM, 0, seq_len=4, batch_size=2, world_size=0),
    "seq_len=8.5": lambda: LoaderConfig(seq_len=8.5, batch_size=1),
    "seq_len=nan": lambda: LoaderConfig(seq_len=math.nan, batch_size=1),
    "batch_size=None": lambda: LoaderConfig(seq_len=8, batch_size=None),
    "size=0, budget": lambda: weights.epochs({"a": 1.0}, {"a": 0}, 10),
    "source 'a'": lambda: weights.epochs({"a": 1.0}, {}, 10),
    "weight=nan": lambda: weights.epochs({"a": math.nan}, {"a": 1}, 10),
    "expected finite": lambda: weights.fit_mixture(["a", "b"], EYE, [math.nan] * 8),
    "for each of 1 names": lambda: weights.fit_mixture(["a"], EYE, [1.0] * 8),
    "of shape (0,)": lambda: weights.fit_mixture([], [], []),
    "entry ''": lambda: Lexicon(frozenset({""})),
    "entry 'Fool'": lambda: Lexicon(frozenset({"Fool"})),
}


@pytest.mark.parametrize("message", REFUSED)
def test_nonsense_is_refused_by_name(message):
    with refused(message):
        REFUSED[message]()


@pytest.mark.parametrize(
    ("vocab_size", "eos_id", "shard_tokens"),
    [(300.5, 0, 9), (300, 0.5, 9), (math.nan, 0, 9), (300, 0, math.nan), (0, 0, 9), (300, 0, 0)],
)
def test_a_writer_counts_in_whole_numbers(tmp_path, vocab_size, eos_id, shard_tokens):
    with refused("expected whole numbers"):
        shards.ShardWriter(tmp_path, vocab_size, eos_id, shard_tokens)


@pytest.mark.parametrize("options", [{"together": 0}, {"together": -1}, {"most": 0}, {"most": -1}])
def test_a_corpus_is_never_empty_by_mistake(tmp_path, options):
    with pytest.raises(ValueError, match="expected an iterable of texts"):
        shards.write_tokens(["the mill"], TOKENIZER, tmp_path, **options)
    with pytest.raises(ValueError, match="str of texts"):
        shards.write_tokens("the mill", TOKENIZER, tmp_path)


@pytest.mark.parametrize("window", [None, 10])
def test_no_step_lies_before_the_first(tmp_path, window):
    found = shards.write_shards([[1, 2, 3], [4]], tmp_path, 300, 0)
    loader = PackedLoader(found, LoaderConfig(seq_len=8, batch_size=1, window=window))
    for call in (loader.batch_at, loader.row, loader.cursor):
        with pytest.raises(ValueError, match="counted from 0"):
            call(-2)
