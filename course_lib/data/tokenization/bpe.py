"""Train byte-pair encoding on counted words: the most frequent pair becomes a new symbol.

Sources: Sennrich et al. 2016 (algorithm 1), Gage 1994 (the compression it comes from).

A word is a Python string whose characters are symbol ids: `chr(id)` for each. Training lays all
words in one row of integers; encoding works on the strings, where a pair is two characters and
Python finds and cuts at it in C.

Deviations: none in what is learned. In how: the algorithm as published recounts all pairs before
each merge, O(merges x words). `PairIndex` visits only the places that hold the pair, and all of
a merge's places at once.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from operator import add

import numpy as np

Pair = tuple[int, int]
MAX_SYMBOLS = 0x110000  # Python has no characters beyond
NOTHING = -1  # the symbol of a place whose own was merged into the one before
LOW = (1 << 32) - 1


def merge_pair(word: list[int], pair: Pair, new: int) -> list[int]:
    """Replace every occurrence of `pair` in `word` by `new`, from left to right.

    The definition, on plain lists. Training and encoding do the same with strings and queues.
    """
    merged, place = [], 0
    while place < len(word):
        if place + 1 < len(word) and (word[place], word[place + 1]) == pair:
            merged.append(new)
            place += 2
        else:
            merged.append(word[place])
            place += 1
    return merged


class PairIndex:
    """How often each adjacent pair occurs in counted words, and where: kept up to date by merges.

    All words stand in one row, `symbols`. `before` and `after` lead from a place to its neighbours
    in the same word; a word's ends lead to the last place of the row, which holds NOTHING.
    weights[place]: how often the word at that place occurs. places[pair]: the left places where
    the pair stood when the list was made; a place that has lost it since is skipped.

    A pair is one integer, `left << 32 | right`: integers compare as pairs of ids would.
    """

    def __init__(self, words: Iterable[str], counts: Iterable[int]):
        words = list(words)
        owner = np.repeat(np.arange(len(words)), [len(word) for word in words])
        row = "".join(words).encode("utf-32-le", "surrogatepass")
        self.symbols = np.append(np.frombuffer(row, "<u4").astype(np.int64), NOTHING)
        self.weights = np.fromiter(counts, np.int64, len(words))[owner]
        end, inside = len(owner), np.flatnonzero(owner[1:] == owner[:-1])
        self.before, self.after = np.full(end + 1, end), np.full(end + 1, end)
        self.before[inside + 1], self.after[inside] = inside, inside + 1
        self.totals: dict[int, int] = {}
        self.places: dict[int, np.ndarray] = {}
        pairs = self.symbols[inside] << 32 | self.symbols[inside + 1]
        order = pairs.argsort()
        for pair, total, places in self._groups(pairs[order], inside[order]):
            self.totals[pair], self.places[pair] = total, places
        self.heap = [(-total, pair) for pair, total in self.totals.items()]
        heapq.heapify(self.heap)

    def _groups(self, keys: np.ndarray, places: np.ndarray) -> Iterable[tuple]:
        """Each of the sorted `keys` once, how often it occurs in all, and its places."""
        if not len(keys):
            return []
        is_first = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
        starts = is_first.nonzero()[0]
        totals = np.add.reduceat(self.weights[places], starts)
        bounds = pairwise([*starts.tolist(), len(keys)])
        return zip(
            keys[starts].tolist(), totals.tolist(), [places[i:j] for i, j in bounds], strict=True
        )

    def best(self) -> int | None:
        """The most frequent pair, the lowest ids first among equals; None when all are merged.

        A pair's total only falls once it is in the heap: no merge makes more of an old pair. So
        an entry out of date stands too far ahead, never too far behind, and is found in time.
        """
        while self.heap:
            negative, pair = heapq.heappop(self.heap)
            total = self.totals.get(pair, 0)
            if total == -negative:
                return pair
            if total > 0:
                heapq.heappush(self.heap, (-total, pair))
        return None

    def merge(self, pair: int, new: int) -> None:
        """Replace `pair` by `new` in every word, and update the pairs around each place.

        x·first·second·y loses the pairs x·first and second·y and gains x·new and new·y. One sort
        collects the places by neighbour and side, so each pair's total is changed once a merge.
        """
        first, second = pair >> 32, pair & LOW
        left = self._standing(first, second)
        right = self.after[left]
        after = self.after[right]
        self.symbols[left] = new
        self.symbols[right] = NOTHING
        self.after[left] = after
        self.before[after] = left
        before = self.before[left]
        x, y = self.symbols[before], self.symbols[after]
        y[y == new] = NOTHING  # new·new is one pair; it is counted as x·new
        sides = np.concatenate([x << 33 | before, y << 33 | 1 << 32 | left])
        sides.sort()
        sides = sides[sides.searchsorted(0) :]  # NOTHING is below zero
        for neighbour, total, places in self._groups(sides >> 32, sides & LOW):
            symbol, is_after = neighbour >> 1, neighbour & 1
            if is_after:
                lost, made = second << 32 | symbol, new << 32 | symbol
            else:  # where one occurrence followed on another, `second` stood there
                lost = (second if symbol == new else symbol) << 32 | first
                made = symbol << 32 | new
            self.totals[lost] -= total
            self.totals[made], self.places[made] = total, places
            heapq.heappush(self.heap, (-total, made))
        del self.totals[pair]

    def _standing(self, first: int, second: int) -> np.ndarray:
        """The places that still hold the pair; every other one where aa overlaps itself."""
        left = self.places.pop(first << 32 | second)
        left = left[self.symbols[left] == first]
        left = left[self.symbols[self.after[left]] == second]
        if first != second or not len(left):
            return left
        left.sort()
        follows = np.append(False, self.before[left[1:]] == left[:-1])
        number = np.arange(len(left))
        start = np.maximum.accumulate(np.where(follows, 0, number))
        return left[(number - start) % 2 == 0]


def learn_merges(
    words: Iterable[str], counts: Iterable[int], first_new: int, n_merges: int
) -> list[Pair]:
    """The `n_merges` most frequent pairs, one after the other; fewer when no pair is left.

    words: strings of symbol ids below `first_new`, each one distinct; counts: how often each
    occurs. The result doesn't depend on their order.
    """
    if first_new + n_merges > MAX_SYMBOLS:
        raise ValueError(
            f"{first_new} symbols and {n_merges} merges are more than the "
            f"{MAX_SYMBOLS} that this representation can number"
        )
    index, merges = PairIndex(words, counts), []
    for new in range(first_new, first_new + n_merges):
        pair = index.best()
        if pair is None:
            break
        merges.append((pair >> 32, pair & LOW))
        index.merge(pair, new)
    return merges


class MergeTable:
    """The merges of a trained tokenizer, applied to words in the order in which they were learned.

    A word is a string of symbol ids, as in training; merge number r makes `first_new + r`.
    """

    LONG = 64  # symbols; up to here the scan for the earliest merge is cheaper than a queue

    def __init__(self, merges: Iterable[Pair], first_new: int):
        self.pairs = [chr(left) + chr(right) for left, right in merges]
        self.made = [chr(first_new + rank) for rank in range(len(self.pairs))]
        self.rank = {pair: rank for rank, pair in enumerate(self.pairs)}

    def apply(self, word: str) -> str:
        """The word after all merges. Time: n log n in its length n, at worst."""
        return self._by_scan(word) if len(word) <= self.LONG else self._by_queue(word)

    def _by_scan(self, word: str) -> str:
        """The earliest merge first, and of its places the leftmost, until none applies."""
        never, rank = len(self.pairs), self.rank.get
        ranks = [rank(pair, never) for pair in map(add, word, word[1:])]
        while ranks:
            lowest = min(ranks)
            if lowest == never:
                break
            place = ranks.index(lowest)
            word = word[:place] + self.made[lowest] + word[place + 2 :]
            del ranks[place]
            if place:
                ranks[place - 1] = rank(word[place - 1 : place + 1], never)
            if place < len(ranks):
                ranks[place] = rank(word[place : place + 2], never)
        return word

    def _by_queue(self, word: str) -> str:
        """The same for long words: a heap of the ranks present, and the places of each.

        The symbols form a linked list (`before`, `after`), so that a merge touches its two
        neighbours and nothing else. A place whose pair has gone by the time its rank comes up
        is passed over. What a merge makes has a later rank than the merge, so one pass suffices.
        """
        end = len(word)
        symbols = list(word)
        before, after = list(range(-1, end - 1)), list(range(1, end + 1))
        places: dict[int, list[int]] = defaultdict(list)
        for place, pair in enumerate(map(add, word, word[1:])):
            if pair in self.rank:
                places[self.rank[pair]].append(place)
        heap = list(places)
        heapq.heapify(heap)
        while heap:
            rank = heapq.heappop(heap)
            for left in sorted(places.pop(rank)):
                right = after[left]
                if right == end or symbols[left] + symbols[right] != self.pairs[rank]:
                    continue
                symbols[left], symbols[right] = self.made[rank], ""
                after[left] = after[right]
                if after[left] < end:
                    before[after[left]] = left
                for place in (before[left], left):
                    if place < 0 or after[place] == end:
                        continue
                    made = self.rank.get(symbols[place] + symbols[after[place]])
                    if made is not None:
                        if made not in places:
                            heapq.heappush(heap, made)
                        places[made].append(place)
        return "".join(symbols)
