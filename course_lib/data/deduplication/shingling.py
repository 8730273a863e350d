"""Texts as sets: shingles, their hashes, and the Jaccard similarity of two sets.

A shingle is a run of `ngram` words; a text is the set of its shingles (Broder 1997). Words are what
`\\w+` matches in the lower-case text, so case, punctuation and white space don't count. In scripts
that put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character is a
word: a whole clause would be one otherwise, and one other character in it another text. A set of
strings would do; ours are 32-bit hashes, which NumPy handles a block of documents at a time. Two
different runs share a hash with probability about 2^-32.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Float64, Int, UInt32, UInt64

# Thai and Lao, Burmese, Khmer, kana (of half width too), Han.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[^\W{UNSPACED}]+|[{UNSPACED}]")
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: spreads what differs upwards
# What `\w+` and lower() do to ASCII, as a table: other characters become spaces.
ASCII = bytes(ord(chr(i).lower()) if WORD.match(chr(i)) else 32 for i in range(128))
ASCII += bytes(range(128, 256))
WORD_BYTES = 64  # of a longer word, the rest counts by its CRC
LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)


@dataclass(frozen=True)
class ShingleBlock:
    """The shingles of several texts, one text after the other; repeats inside a text may occur."""

    values: UInt32[np.ndarray, " total"]
    sizes: Int[np.ndarray, " texts"]

    @property
    def starts(self) -> Int[np.ndarray, " texts"]:
        return np.cumsum(self.sizes) - self.sizes

    def unique(self) -> "ShingleBlock":
        """As sets: each text's shingles sorted and without repeats."""
        owner = np.repeat(np.arange(len(self.sizes), dtype=np.uint64), self.sizes)
        keys = np.sort(owner << np.uint64(32) | self.values)
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
        sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(self.sizes))
        return ShingleBlock(keys.astype(np.uint32), sizes)


def words(text: str) -> list[str]:
    """A text's words in lower case."""
    return WORD.findall(text.lower())


def shingle_block(texts: Sequence[str], ngram: int) -> ShingleBlock:
    """The shingles of several texts at once. A text of fewer words than `ngram` is one shingle.

    Horner's rule modulo 2^64 over each run's word codes, of which the high 32 bits count. Raises
    ValueError for an `ngram` below 1.
    """
    if ngram < 1:
        raise ValueError(f"ngram={ngram}: expected at least 1 word")
    code, counts = word_codes(texts)
    missing = np.maximum(ngram - counts, 0)
    if missing.any():
        code = np.insert(code, np.repeat(np.cumsum(counts), missing), np.uint64(0))
        counts = counts + missing
    if not len(counts):
        return ShingleBlock(np.zeros(0, np.uint32), counts)
    total = np.zeros(len(code) - ngram + 1, np.uint64)
    for place in range(ngram):
        total += code[place : place + len(total)]
        total *= MIX
    inside = np.ones(len(total), bool)  # and not across the border of two texts
    inside[np.cumsum(counts)[:-1, None] - np.arange(1, ngram)] = False
    return ShingleBlock((total[inside] >> np.uint64(32)).astype(np.uint32), counts - ngram + 1)


def word_codes(
    texts: Sequence[str],
) -> tuple[UInt64[np.ndarray, " words"], Int[np.ndarray, " texts"]]:
    """A 64-bit code of each word of all texts, and each text's number of words.

    The texts lie in one buffer, their words between spaces. Eight bytes of every word are read at
    once, as one number; a round takes the next eight of the words that are longer.
    """
    parts = [_spaced(text) for text in texts]
    data = b" ".join(parts) + b" " + bytes(8)
    letters = np.frombuffer(data, np.uint8)[:-8]
    stops = np.flatnonzero(letters == 32)
    starts = np.concatenate([[0], stops[:-1] + 1])
    starts, sizes = starts[stops > starts], (stops - starts)[stops > starts]
    eight = np.ndarray(len(letters), "<u8", data, strides=(1,))  # the 8 bytes from each place on
    code = np.zeros(len(starts), np.uint64)
    todo = np.arange(len(starts))
    for place in range(0, WORD_BYTES, 8):
        chunk = eight[starts[todo] + place] & LOW_BYTES[np.minimum(sizes[todo] - place, 8)]
        mixed = (code[todo] ^ chunk) * MIX
        code[todo] = mixed ^ mixed >> np.uint64(32)
        todo = todo[sizes[todo] > place + 8]
        if not len(todo):
            break
    for word in todo:
        rest = data[starts[word] + WORD_BYTES : starts[word] + sizes[word]]
        code[word] += np.uint64(zlib.crc32(rest))
    ends = np.cumsum([len(part) + 1 for part in parts]).astype(np.int64)
    return code, np.diff(np.searchsorted(starts, ends), prepend=0)


def _spaced(text: str) -> bytes:
    """The words of a text between spaces, as UTF-8. Where it has none, a digest of its signs."""
    ascii_only = text.isascii()
    spaced = text.encode().translate(ASCII) if ascii_only else " ".join(words(text)).encode()
    if spaced and not spaced.isspace():
        return spaced
    squeezed = " ".join(text.split()).encode("utf-8", "surrogatepass")
    return blake2b(squeezed, digest_size=16).hexdigest().encode()


def shingles(text: str, ngram: int) -> UInt32[np.ndarray, " size"]:
    """The set of one text's shingles, sorted."""
    return np.unique(shingle_block([text], ngram).values)


def jaccard(a: UInt32[np.ndarray, " size_a"], b: UInt32[np.ndarray, " size_b"]) -> float:
    """|A ∩ B| / |A ∪ B| of two sets (sorted, without repeats); 1 of two empty ones."""
    if not len(a) + len(b):
        return 1.0
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


def jaccards(
    texts: Sequence[str], pairs: Int[np.ndarray, "pairs 2"], ngram: int
) -> Float64[np.ndarray, " pairs"]:
    """The true similarity of many pairs of texts, in blocks of some 4 MB of text.

    A block holds both sets of every pair as keys (number of the pair, shingle). Sorted, a shared
    shingle stands twice in a row.
    """
    scores = np.ones(len(pairs))
    length = np.array([len(texts[a]) + len(texts[b]) for a, b in pairs], np.int64)
    block = np.cumsum(length) // 4_000_000
    for start, stop in _runs(block):
        scores[start:stop] = _block_jaccards(texts, pairs[start:stop], ngram)
    return scores


def _block_jaccards(
    texts: Sequence[str], pairs: Int[np.ndarray, "pairs 2"], ngram: int
) -> Float64[np.ndarray, " pairs"]:
    used, place = np.unique(pairs, return_inverse=True)
    sets = shingle_block([texts[i] for i in used], ngram).unique()
    members = place.reshape(-1)  # a0 b0 a1 b1 …
    sizes, starts = sets.sizes[members], sets.starts[members]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    values = sets.values[np.repeat(starts, sizes) + within]
    owner = np.repeat(np.arange(len(members), dtype=np.uint64) // np.uint64(2), sizes)
    keys = np.sort(owner << np.uint64(32) | values)
    twice = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)
    shared = np.bincount(twice.astype(np.int64), minlength=len(pairs))
    return shared / (sizes.reshape(-1, 2).sum(axis=1) - shared)


def _runs(numbers: Int[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """Where each run of equal numbers starts and stops."""
    if not len(numbers):
        return []
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), len(numbers)], strict=True))
