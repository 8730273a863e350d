"""Tokenizers of ours against `tokenizers` and `tiktoken`."""

import json
import math
from collections import Counter

import pytest
import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from course_lib.data.sources.source import source
from course_lib.data.tokenization.pretokenize import PATTERNS
from course_lib.data.tokenization.tokenizer import SPECIAL_TOKENS, train_bpe
from course_lib.data.tokenization.unigram import Scores, expected_counts, train_unigram, viterbi
from course_lib.data.tokenization.wordpiece import (
    count_pairs,
    encode_word,
    pieces_of,
    train_wordpiece,
)

HARD = [
    "I'LL 'ſ don't 12345  \n\n \n x",
    "\0\u202eabc\u2066",
    "été 日本語 😀 ½ ²",
    "\ta\r\n\r\n b",
    "\u00a0 x\u3000y \x85",
    "a" * 300,
    " " * 70 + "x",
    "<|end|>",
    "\x1c\x1d",
    "e\u0301 नमस्ते",
]


def manual():
    return [r.text[:3000] for r in source("python_docs", kinds=("reference",))][:60]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_merges_and_ids_of_every_pattern(parity, pattern):
    texts = manual()
    ours = train_bpe(texts, 800, pattern)
    hub = Tokenizer(models.BPE())
    hub.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(ours.pattern.expression), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    hub.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=800,
            special_tokens=list(SPECIAL_TOKENS),
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    learned = [tuple(pair) for pair in json.loads(hub.to_str())["model"]["merges"]]
    mine = [tuple(map(ours.token, pair)) for pair in ours.merges]
    different = sum(a != b for a, b in zip(mine, learned, strict=True))
    different += sum(
        ours.encode(t) != ours_hub.ids for t in texts[:100] for ours_hub in [hub.encode(t)]
    )
    parity(
        stem="data",
        ours=f"data.tokenizer ({pattern})",
        reference="tokenizers BpeTrainer",
        error=different,
        tolerance=0,
        note="merges and encodings that differ, 800 tokens",
    )


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ids_equal_tiktokens(parity, pattern):
    texts = manual()
    ours = train_bpe(texts, 800, pattern)
    ranks = {ours.token_bytes[i]: i for i in range(len(SPECIAL_TOKENS), ours.vocab_size)}
    assert len(ranks) == ours.vocab_size - len(SPECIAL_TOKENS)
    theirs = tiktoken.Encoding(
        pattern,
        pat_str=ours.pattern.expression,
        mergeable_ranks=ranks,
        special_tokens={s: i for i, s in enumerate(SPECIAL_TOKENS)},
    )
    wrong = sum(ours.encode(t) != theirs.encode_ordinary(t) for t in [*texts, *HARD])
    wrong += sum(ours.decode(ours.encode(t)) != t for t in HARD)
    parity(
        stem="data",
        ours=f"data.tokenizer ({pattern})",
        reference="tiktoken Encoding",
        error=wrong,
        tolerance=0,
        note="texts whose ids differ, the same merges",
    )


def words() -> Counter[str]:
    found = Counter(
        word
        for text in manual()
        for word in text.lower().split()
        if word.isalpha() and word.isascii()
    )
    return Counter(dict(found.most_common(300)))


def test_wordpiece(parity):
    counts = words()
    vocabulary = train_wordpiece(counts, 150)
    hub = Tokenizer(
        models.WordPiece(
            {piece: i for i, piece in enumerate(vocabulary)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    asked = [*counts, "unseenword", "naïve", "x" * 101]
    wrong = sum(encode_word(word, set(vocabulary)) != hub.encode(word).tokens for word in asked)
    parity(
        stem="data",
        ours="data.wordpiece.encode_word",
        reference="tokenizers WordPiece",
        error=wrong,
        tolerance=0,
        note="words that are cut differently, the same vocabulary",
    )


def test_unigram(parity):
    counts = words()
    scores = train_unigram(counts, 200)
    vocabulary = [("<unk>", min(scores.values()) - 1.0), *scores.items()]
    hub = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    wrong = sum(viterbi(word, scores)[0] != hub.encode(word).tokens for word in counts)
    assert len(scores) == 200
    parity(
        stem="data",
        ours="data.unigram.viterbi",
        reference="tokenizers Unigram",
        error=wrong,
        tolerance=0,
        note="words that are cut differently, the same pieces",
    )


def test_wordpiece_training(parity):
    """The library merges by count, not by our ratio: with its rule we learn its pieces.

    Ties between pairs go by the library's own ids, which depend on its hash map.
    """
    counts = words()
    hub = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    hub.pre_tokenizer = pre_tokenizers.Whitespace()
    hub.train_from_iterator(
        counts.elements(),
        trainers.WordPieceTrainer(vocab_size=250, special_tokens=["[UNK]"], show_progress=False),
    )
    ids = hub.get_vocab()

    def by_count(present):
        _, double = count_pairs(present)
        return min(double, key=lambda pair: (-double[pair], ids[pair[0]], ids[pair[1]]))

    letters = {piece for word in counts for piece in pieces_of(word)}
    # the library lists every letter bare, too, even one that no word begins with
    never_first = {letter for word in counts for letter in word} - letters
    size = len(ids) - len(never_first)
    theirs = set(ids) - never_first
    ours = set(train_wordpiece(counts, size, choose=by_count))
    by_ratio = set(train_wordpiece(counts, size))
    merged = size - len(letters) - 1
    assert merged > 150 and 0 < len(by_ratio & theirs) < size
    parity(
        stem="data",
        ours="data.wordpiece.train_wordpiece (choose by count)",
        reference="tokenizers WordPieceTrainer",
        error=len(ours ^ theirs),
        tolerance=0,
        note=f"pieces that differ, of {merged} merged; by our ratio "
        f"{len((by_ratio & theirs) - letters) - 1} of them are learned too",
    )


def nats_a_word(counts: Counter[str], scores: Scores) -> float:
    """Surprisal under a unigram model, summed over all cuts, its pieces' chances summing to one."""
    norm = math.log(sum(map(math.exp, scores.values())))
    scores = {piece: score - norm for piece, score in scores.items()}
    longest = max(map(len, scores))
    total = sum(n * expected_counts(word, scores, longest)[1] for word, n in counts.items())
    return -total / sum(counts.values())


def test_unigram_training(parity):
    """Two approximations of one search, so the pieces may differ: ours must predict as well.

    Each word counts once: the library's first candidates come from the list of distinct words.
    """
    counts = Counter(list(words()))
    ours = train_unigram(counts, 200)
    hub = Tokenizer(models.Unigram())
    hub.pre_tokenizer = pre_tokenizers.Whitespace()
    hub.train_from_iterator(
        counts,
        trainers.UnigramTrainer(
            vocab_size=200,
            special_tokens=["<unk>"],
            unk_token="<unk>",
            max_piece_length=8,
            show_progress=False,
        ),
    )
    theirs = dict(json.loads(hub.to_str())["model"]["vocab"])
    del theirs["<unk>"]
    assert len(ours) == 200 and len(theirs) == 199
    shared = len(set(ours) & set(theirs))
    mine, reference = nats_a_word(counts, ours), nats_a_word(counts, theirs)
    letters = {letter for word in counts for letter in word}
    no_pieces = nats_a_word(counts, train_unigram(counts, len(letters)))
    assert shared > 140 and mine < 0.9 * no_pieces
    parity(
        stem="data",
        ours="data.unigram.train_unigram",
        reference="tokenizers UnigramTrainer",
        error=max(0.0, mine / reference - 1),
        tolerance=0.01,
        note=f"excess of nats a word: ours {mine:.2f}, theirs {reference:.2f}, letters alone "
        f"{no_pieces:.2f}; {shared} of 200 pieces are the same",
    )
