"""Train byte-pair encoding on counted words: the most frequent pair becomes a new symbol.

Sources: Sennrich et al. 2016 (algorithm 1), Gage 1994 (the compression it comes from).

A word is a Python string whose characters are symbol ids: `chr(id)` for each. Then a pair is a
string of two characters, and Python finds and cuts at it in C. Strings compare by code point, so
ties between pairs go to the lower ids, as they do among tuples of ids.

Deviations: none in what is learned. In how: the algorithm as published recounts all pairs before
each merge, O(merges x words). `PairIndex` visits only the words that hold the pair.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from operator import add

Pair = tuple[int, int]
MAX_SYMBOLS = 0x110000  # Python has no characters beyond


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

    words[i] occurs counts[i] times. places[pair] lists words that held the pair when the list was
    made, one entry an occurrence; an entry whose word has lost the pair since is skipped.
    """

    def __init__(self, words: Iterable[str], counts: Iterable[int]):
        self.words, self.counts = list(words), list(counts)
        self.places: dict[str, list[int]] = defaultdict(list)
        for index, word in enumerate(self.words):
            for pair in map(add, word, word[1:]):
                self.places[pair].append(index)
        self.totals = {pair: self._total(where) for pair, where in self.places.items()}
        self.heap = [(-total, pair) for pair, total in self.totals.items()]
        heapq.heapify(self.heap)

    def _total(self, places: list[int]) -> int:
        return sum(map(self.counts.__getitem__, places))

    def best(self) -> str | None:
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

    def merge(self, pair: str, new: str) -> None:
        """Replace `pair` by `new` in every word, and update the pairs around each place.

        x·first·second·y loses the pairs x·first and second·y and gains x·new and new·y. Places
        are collected by neighbour, so each pair's total is changed once a merge.
        """
        first, second = pair
        words = self.words
        before: dict[str, list[int]] = defaultdict(list)
        after: dict[str, list[int]] = defaultdict(list)
        twins: list[int] = []  # places where one occurrence follows on the other
        for index in dict.fromkeys(self.places.pop(pair)):
            left, found, right = words[index].partition(pair)
            if not found:
                continue
            if left:
                before[left[-1]].append(index)
            if pair in right:
                *middles, right = right.split(pair)
                for middle in middles:
                    if middle:
                        after[middle[0]].append(index)
                        before[middle[-1]].append(index)
                    else:
                        twins.append(index)
                left = new.join([left, *middles])
            if right:
                after[right[0]].append(index)
            words[index] = left + new + right
        for symbol, places in before.items():
            self._replace(symbol + first, symbol + new, places)
        for symbol, places in after.items():
            self._replace(second + symbol, new + symbol, places)
        if twins:
            self._replace(second + first, new + new, twins)
        del self.totals[pair]

    def _replace(self, old: str, made: str, places: list[int]) -> None:
        total = self._total(places)
        self.totals[old] -= total
        self.totals[made] = total
        self.places[made] = places
        heapq.heappush(self.heap, (-total, made))


def learn_merges(words: Iterable[str], counts: Iterable[int], first_new: int,
                 n_merges: int) -> list[Pair]:
    """The `n_merges` most frequent pairs, one after the other; fewer when no pair is left.

    words: strings of symbol ids below `first_new`, each one distinct; counts: how often each
    occurs. The result doesn't depend on their order.
    """
    if first_new + n_merges > MAX_SYMBOLS:
        raise ValueError(f"{first_new} symbols and {n_merges} merges are more than the "
                         f"{MAX_SYMBOLS} that this representation can number")
    index, merges = PairIndex(words, counts), []
    for new in range(first_new, first_new + n_merges):
        pair = index.best()
        if pair is None:
            break
        merges.append((ord(pair[0]), ord(pair[1])))
        index.merge(pair, chr(new))
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
            word = word[:place] + self.made[lowest] + word[place + 2:]
            del ranks[place]
            if place:
                ranks[place - 1] = rank(word[place - 1:place + 1], never)
            if place < len(ranks):
                ranks[place] = rank(word[place:place + 2], never)
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
