"""One merge of byte-pair encoding: count pairs, take the most frequent, merge it everywhere."""

import random
from collections import Counter
from itertools import pairwise

from course_lib.checks.exercise import Case, Exercise
from course_lib.data.tokenization.bpe import Pair, merge_pair

Words = dict[tuple[int, ...], int]


def _cases(seed: int) -> list[Case]:
    """Random ids and counts, placed so that each mistake shows in one case at least."""
    generator = random.Random(seed)
    low, a, b, c, d, high = sorted(generator.sample(range(256), 6))
    few, many = generator.randint(2, 5), generator.randint(20, 40)
    cases = [
        ("a piece that occurs often", {(c, a, d): many, (a, b): few, (d, a, b): few, (a, b, c): 1}),
        ("a pair that stands twice in one piece", {(d, a, b, c, a, b): many, (b, c): few}),
        ("the same token several times in a row", {(a, a, a): many, (a,) * 6 + (b,): few}),
        ("three pairs equally often", {(b, c): many, (low, a): many, (d, high): many, (c, d): few}),
        ("pieces of a single token", {(a,): 3 * many, (b, c, d): few, (a, d): 1}),
        ("random pieces", _random_words(generator)),
        ("more random pieces", _random_words(generator)),
    ]
    first_free = 256 + generator.randint(0, 99)
    made = [Case(what, (words, first_free)) for what, words in cases]
    return [*made, Case("one piece of two tokens", ({(a, b): 1}, first_free), edge=True)]


def _random_words(generator: random.Random) -> Words:
    letters = generator.sample(range(256), 3)
    words: Words = {}
    for _ in range(generator.randint(4, 8)):
        word = tuple(generator.choices(letters, (2, 1, 1), k=generator.randint(2, 6)))
        words[word] = generator.randint(1, 9)
    return words


def _one_merge(words: Words, new: int) -> tuple[Pair, Words]:
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
    pair, _ = _one_merge(words, new)
    merged = {}
    for word, count in words.items():
        places = [i for i, found in enumerate(pairwise(word)) if found == pair][:1]
        merged[word[: places[0]] + (new,) + word[places[0] + 2 :] if places else word] = count
    return pair, merged


def _overlapping(words: Words, new: int) -> tuple[Pair, Words]:
    pair, _ = _one_merge(words, new)
    merged = {}
    for word, count in words.items():
        starts = {i for i, found in enumerate(pairwise(word)) if found == pair}
        kept = [i for i in range(len(word)) if i in starts or i - 1 not in starts]
        merged[tuple(new if i in starts else word[i] for i in kept)] = count
    return pair, merged


def _from_the_right(words: Words, new: int) -> tuple[Pair, Words]:
    pair, _ = _one_merge(words, new)
    turned = {word[::-1]: count for word, count in words.items()}
    merged = _apply(turned, pair[::-1], new)
    return pair, {word[::-1]: count for word, count in merged.items()}


def _loses_the_end(words: Words, new: int) -> tuple[Pair, Words]:
    pair, merged = _one_merge(words, new)
    return pair, {word if word[-1] == new else word[:-1]: n for word, n in merged.items()}


def _same_words(words: Words, new: int) -> tuple[Pair, Words]:
    return _one_merge(words, new)[0], words


_MISTAKES = {
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
    "You merge from the right. In `aaa` the first two become one token, and the last stays: go "
    "from left to right.": _from_the_right,
    "You lose the last token of a piece where it goes into no merge: your walk stops one token "
    "early.": _loses_the_end,
    "You found the pair, and gave the words back as they were. Replace the pair in each of them "
    "by the new id.": _same_words,
}

bpe_step = Exercise(
    name="data/bpe",
    title="One merge of BPE",
    answer="one_merge",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_one_merge,
    mistakes=_MISTAKES,
)
