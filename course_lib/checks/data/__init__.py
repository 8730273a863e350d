"""Instant checks of the data chapter."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from course_lib.checks._report import CheckReport, run_check
from course_lib.checks.data._loader_resume import NEXT_BATCH_MISTAKES, next_batch
from course_lib.checks.data._minhash import CANDIDATE_MISTAKES, candidate_pairs
from course_lib.checks.data._pii_masking import MASK_MISTAKES, mask_cards
from course_lib.checks.data._wordpiece_encode import WORDPIECE_MISTAKES, wordpiece_encode
from course_lib.data.bpe import Pair, merge_pair

__all__ = ["CANDIDATE_MISTAKES", "MASK_MISTAKES", "MISTAKES", "NEXT_BATCH_MISTAKES",
           "WORDPIECE_MISTAKES", "bpe_step", "bpe_step_reference", "candidate_pairs",
           "mask_cards", "next_batch", "wordpiece_encode"]

Words = dict[tuple[int, ...], int]


def bpe_step(fn: Callable) -> CheckReport:
    """One step of BPE training: fn(words, new) -> (the pair that is merged, the new words).

    words: pieces of text as tuples of ids, with how often each occurs; new: the id of the merge.
    """
    generator = random.Random(0)
    cases = [_hand_worked(), *(_random_case(generator) for _ in range(20))]
    return run_check("One merge of BPE", fn, cases, bpe_step_reference, MISTAKES)


def bpe_step_reference(words: Words, new: int) -> tuple[Pair, Words]:
    """Count pairs weighted by their words' counts, take the best, merge it left to right."""
    counts = _pair_counts(words)
    pair = min(counts, key=lambda pair: (-counts[pair], pair))
    return pair, _apply(words, pair, new)


def _pair_counts(words: Words) -> Counter:
    counts: Counter = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] += count
    return counts


def _apply(words: Words, pair: Pair, new: int) -> Words:
    return {tuple(merge_pair(list(word), pair, new)): count for word, count in words.items()}


def _unweighted(words: Words, new: int) -> tuple[Pair, Words]:
    counts = _pair_counts(dict.fromkeys(words, 1))
    pair = min(counts, key=lambda pair: (-counts[pair], pair))
    return pair, _apply(words, pair, new)


def _first_met(words: Words, new: int) -> tuple[Pair, Words]:
    counts = _pair_counts(words)
    pair = max(counts, key=counts.__getitem__)
    return pair, _apply(words, pair, new)


def _highest_ids(words: Words, new: int) -> tuple[Pair, Words]:
    counts = _pair_counts(words)
    pair = max(counts, key=lambda pair: (counts[pair], pair))
    return pair, _apply(words, pair, new)


def _across_words(words: Words, new: int) -> tuple[Pair, Words]:
    stream = [token for word, count in words.items() for token in word * count]
    counts = Counter(pairwise(stream))
    pair = min(counts, key=lambda pair: (-counts[pair], pair))
    return pair, _apply(words, pair, new)


def _only_once(words: Words, new: int) -> tuple[Pair, Words]:
    pair, _ = bpe_step_reference(words, new)
    merged = {}
    for word, count in words.items():
        places = [i for i, found in enumerate(pairwise(word)) if found == pair][:1]
        merged[word[:places[0]] + (new,) + word[places[0] + 2:] if places else word] = count
    return pair, merged


def _overlapping(words: Words, new: int) -> tuple[Pair, Words]:
    pair, _ = bpe_step_reference(words, new)
    merged = {}
    for word, count in words.items():
        starts = {i for i, found in enumerate(pairwise(word)) if found == pair}
        kept = [i for i in range(len(word)) if i in starts or i - 1 not in starts]
        merged[tuple(new if i in starts else word[i] for i in kept)] = count
    return pair, merged


MISTAKES = {
    "You count each distinct word once. A pair inside a word that occurs 1,000 times occurs 1,000 "
    "times: weight it with the word's count.": _unweighted,
    "Among equally frequent pairs you take the one that you met first. The order of the words is "
    "an accident: take the lowest ids, so that everybody learns the same merges.": _first_met,
    "Among equally frequent pairs you take the highest ids. `max` over (count, pair) does that: "
    "you want the highest count, then the lowest pair.": _highest_ids,
    "You count pairs across the border of two words. Pre-tokens are separate: no merge may cross "
    "from one into the next.": _across_words,
    "You merge the first occurrence in each word alone. `banana` holds `an` twice.": _only_once,
    "Your merges overlap. In `aaa`, the pair (a, a) merges once, from the left: a token that went "
    "into a merge can't go into the next.": _overlapping,
}


def _hand_worked() -> tuple[Words, int]:
    # (1, 1) occurs 2 x 3 + 1 = 7 times, (1, 2) 5 times
    return {(1, 1, 1): 3, (1, 2): 4, (2, 1, 1, 2): 1}, 9


def _random_case(generator: random.Random) -> tuple[Words, int]:
    words: Words = {}
    for _ in range(generator.randint(3, 8)):
        length = generator.randint(2, 6)
        word = tuple(generator.choice((1, 1, 2, 3)) for _ in range(length))
        words[word] = generator.randint(1, 9)
    return words, 9
