import random
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.tokenization.bpe import MergeTable, PairIndex, learn_merges, merge_pair

words_of = st.dictionaries(
    st.text("abc", min_size=1, max_size=12), st.integers(1, 5), min_size=1, max_size=12
)
FIRST = ord("d")


def naive_merges(counted: dict[str, int], n: int) -> list[tuple[int, int]]:
    """The published algorithm: recount all pairs before each merge."""
    words = {tuple(map(ord, word)): count for word, count in counted.items()}
    merges = []
    for new in range(FIRST, FIRST + n):
        totals: dict[tuple[int, int], int] = {}
        for word, count in words.items():
            for pair in pairwise(word):
                totals[pair] = totals.get(pair, 0) + count
        if not totals:
            break
        merges.append(min(totals, key=lambda pair: (-totals[pair], pair)))
        words = {
            tuple(merge_pair(list(word), merges[-1], new)): count for word, count in words.items()
        }
    return merges


def naive_apply(word: str, merges: list[tuple[int, int]]) -> str:
    """Every merge in turn, over the whole word."""
    ids = list(map(ord, word))
    for rank, pair in enumerate(merges):
        ids = merge_pair(ids, pair, FIRST + rank)
    return "".join(map(chr, ids))


def test_merge_pair_goes_left_to_right():
    assert merge_pair([1, 1, 1, 2, 1, 1], (1, 1), 9) == [9, 1, 2, 9]


def pair_of(text: str) -> int:
    return ord(text[0]) << 32 | ord(text[1])


def row_of(index: PairIndex) -> str:
    """The symbols still in place, word after word."""
    return "".join(chr(symbol) for symbol in index.symbols.tolist() if symbol >= 0)


def test_one_merge_by_hand():
    # ab occurs 3 + 3 times in "xabyab" (twice in each of three) and twice in "abab"
    index = PairIndex(["xabyab", "abab"], [3, 1])
    assert index.best() == pair_of("ab") and index.totals[pair_of("ab")] == 8
    index.merge(pair_of("ab"), ord("N"))
    assert row_of(index) == "xNyNNN"
    assert {pair: total for pair, total in index.totals.items() if total} == {
        pair_of("xN"): 3,
        pair_of("Ny"): 3,
        pair_of("yN"): 3,
        pair_of("NN"): 1,
    }


def test_a_pair_that_overlaps_itself_by_hand():
    # aaaaa holds aa at four places, and two of them can be merged; aa|aa stays one pair
    index = PairIndex(["aaaaab", "", "caa"], [2, 9, 1])
    assert index.best() == pair_of("aa") and index.totals[pair_of("aa")] == 9
    index.merge(pair_of("aa"), ord("N"))
    assert row_of(index) == "NNabcN"
    assert {pair: total for pair, total in index.totals.items() if total} == {
        pair_of("NN"): 2,
        pair_of("Na"): 2,
        pair_of("ab"): 2,
        pair_of("cN"): 1,
    }


@given(words_of, st.integers(1, 12))
def test_the_index_learns_what_the_naive_algorithm_learns(counted, n):
    assert learn_merges(counted, counted.values(), FIRST, n) == naive_merges(counted, n)


@given(words_of, st.text("abc", max_size=90))
def test_scan_and_queue_apply_what_the_naive_algorithm_applies(counted, word):
    merges = learn_merges(counted, counted.values(), FIRST, 12)
    table = MergeTable(merges, FIRST)
    assert table._by_scan(word) == table._by_queue(word) == naive_apply(word, merges)


@settings(max_examples=20)
@given(words_of)
def test_every_token_encodes_to_itself(counted):
    merges = learn_merges(counted, counted.values(), FIRST, 12)
    table, spelt = MergeTable(merges, FIRST), {chr(c): chr(c) for c in range(FIRST)}
    for rank, (left, right) in enumerate(merges):
        spelt[chr(FIRST + rank)] = spelt[chr(left)] + spelt[chr(right)]
        assert table.apply(spelt[chr(FIRST + rank)]) == chr(FIRST + rank)


def lines_run(call) -> int:
    """How many lines of Python a call runs: its work, counted and not timed."""
    count = 0

    def count_lines(frame, event, argument):
        nonlocal count
        count += event == "line"
        return count_lines

    before = sys.gettrace()
    sys.settrace(count_lines)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("letters", ["a", "ab", "abc"])
def test_a_giant_word_takes_linear_work(letters):
    """Twice the length may take a little more than twice the lines; a quadratic way takes four."""
    generator = random.Random(0)
    word = "".join(generator.choices(letters, k=30_000))
    merges = learn_merges([word[:2000], "abcab"], [1, 1], FIRST, 40)
    table = MergeTable(merges, FIRST)
    whole, half = (lines_run(lambda w=w: table.apply(w)) for w in (word, word[::2]))
    assert whole > 30_000 and whole < 2.5 * half
    assert len(table.apply(word)) < len(word) / 2


def test_training_on_a_giant_word_is_not_quadratic():
    assert len(learn_merges(["a" * 100_000], [1], FIRST, 30)) > 15


def test_more_symbols_than_characters_are_refused():
    with pytest.raises(ValueError, match="4 symbols and 1114112 merges are more than"):
        learn_merges(["ab"], [1], 4, 0x110000)
