"""Repeated substrings by a suffix array: what neither documents nor lines can see.

A suffix array sorts all suffixes of the corpus; texts that start alike stand side by side, so every
substring of `length` bytes that occurs twice is found, wherever it begins (Lee et al. 2022, section
4.1, who take 50 tokens). Ours sorts by *prefix doubling* (Manber & Myers 1993): from the ranks of
all substrings of n bytes, those of 2n bytes follow by sorting pairs of ranks. We stop at `length`,
since that is all the question asks; `suffix_array` goes on to the end.

Time O(N log N log length), memory about 40 bytes a byte of text: made for some megabytes. Lee et
al. use a linear-time construction in Rust that reaches terabytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from course_lib.data.deduplication.clusters import ranking


@dataclass(frozen=True)
class Span:
    """Bytes start … stop-1 of a document. They stood before, at `place` of the `witness`."""

    index: int
    start: int
    stop: int
    witness: int
    place: int


def suffix_array(data: bytes) -> Int[np.ndarray, " size"]:
    """The starts of all suffixes, in the order of the suffixes."""
    ranks, size, length = _letters(data), len(data), 1
    while length < size:
        ranks, length = _doubled(ranks, length), 2 * length
        if ranks.max() == size - 1:  # all differ: longer prefixes change nothing
            break
    return np.argsort(ranks)


def substring_ranks(data: bytes, length: int) -> Int[np.ndarray, " size"]:
    """For every place, the rank of the `length` bytes from there on: equal where the bytes are.

    At the end of the data, what is missing counts as less than any byte.
    """
    if length < 1:
        raise ValueError(f"length={length} must be at least 1 byte")
    ranks, known = _letters(data), 1
    while known < length:
        step = min(known, length - known)  # two overlapping halves cover any length
        ranks, known = _doubled(ranks, step), known + step
    return ranks


def repeated_spans(
    texts: Sequence[str], length: int = 100, *, keys: Sequence[str] | None = None
) -> list[Span]:
    """Spans of `length` bytes of UTF-8 or more that stood before: in the same or a lower document.

    Windows that overlap make one span; its witness is that of its first window. No span reaches
    over the border of two documents. Lone surrogates are read as their three bytes.
    """
    order = ranking(texts, keys)
    encoded = [texts[i].encode("utf-8", "surrogatepass") for i in order]
    starts = np.cumsum([0, *map(len, encoded)])
    ranks = substring_ranks(b"".join(encoded), length)
    owner = np.repeat(np.arange(len(encoded)), np.diff(starts))
    place = np.arange(len(ranks))
    place = place[place + length <= starts[1:][owner]]  # windows inside one document
    here, there = _stood_before(ranks[place], place)
    border = np.ones(len(here), bool)  # where a new span begins
    border[1:] = (here[1:] > here[:-1] + length) | (owner[here[1:]] != owner[here[:-1]])
    begin = np.flatnonzero(border)
    stop = here[np.append(begin[1:], len(here)) - 1] + length if len(here) else here
    spans = []
    for a, z, other in zip(here[begin].tolist(), stop.tolist(), there[begin].tolist(), strict=True):
        base, twin = int(starts[owner[a]]), owner[other]
        spans.append(
            Span(order[owner[a]], a - base, z - base, order[twin], other - int(starts[twin]))
        )
    return sorted(spans, key=lambda span: (span.index, span.start))


def _stood_before(
    ranks: Int[np.ndarray, " windows"], place: Int[np.ndarray, " windows"]
) -> tuple[Int[np.ndarray, " again"], Int[np.ndarray, " again"]]:
    """Places of the windows that are not the first of their rank, and the places of those first."""
    _, first, group = np.unique(ranks, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[group] != np.arange(len(place)))
    return place[again], place[first[group[again]]]


def cut_spans(texts: Sequence[str], spans: Sequence[Span]) -> list[str]:
    """The texts without their spans. A character that a span cuts in two goes with it."""
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
    for span in sorted(spans, key=lambda span: -span.start):
        data = pieces[span.index]
        start, stop = span.start, span.stop
        while start > 0 and data[start] & 0xC0 == 0x80:  # inside a character
            start -= 1
        while stop < len(data) and data[stop] & 0xC0 == 0x80:
            stop += 1
        pieces[span.index] = data[:start] + data[stop:]
    return [piece.decode("utf-8", "surrogatepass") for piece in pieces]


def _letters(data: bytes) -> Int[np.ndarray, " size"]:
    return np.frombuffer(data, np.uint8).astype(np.int64)


def _doubled(ranks: Int[np.ndarray, " size"], step: int) -> Int[np.ndarray, " size"]:
    """Ranks of the pairs (rank here, rank `step` further on)."""
    further = np.zeros(len(ranks), np.int64)
    further[:-step] = ranks[step:] + 1  # 0: the data ends before
    pairs = ranks << 32 | further
    order = np.argsort(pairs)
    sorted_pairs = pairs[order]
    number = np.concatenate([[0], np.cumsum(sorted_pairs[1:] != sorted_pairs[:-1])])
    doubled = np.empty(len(ranks), np.int64)
    doubled[order] = number[: len(ranks)]
    return doubled
