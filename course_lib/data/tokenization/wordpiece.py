"""WordPiece: merges chosen by how much more often two pieces meet than chance would have it.

Sources: Schuster and Nakajima 2012 (section 3, the choice by likelihood); Devlin et al. 2019 and
its code (greedy longest match, `##` before a piece that continues a word).

Deviations: the paper merges what raises the likelihood of the whole text most; the ratio here is
that gain for each time the pair occurs, the form in which WordPiece is usually told. Words come
counted, so this file knows no whitespace. All counts are made again for each merge, which is clear
and slow (a few hundred merges on a few thousand words).
`tokenizers.trainers.WordPieceTrainer` merges by count, as BPE does, so it learns other pieces; with
`choose` set to do the same, ours learns its vocabulary.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

UNKNOWN = "[UNK]"
INSIDE = "##"


def pieces_of(word: str) -> list[str]:
    """A word as characters: all but the first carry the mark of a continuation."""
    return [*word[:1], *(INSIDE + letter for letter in word[1:])]


def join(left: str, right: str) -> str:
    """The piece that two neighbours make: the right one loses its mark."""
    return left + right.removeprefix(INSIDE)


Words = Mapping[tuple[str, ...], int]  # each word as it is cut now, and how often it occurs


def count_pairs(words: Words) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """How often each piece occurs, and each pair of neighbours."""
    single: Counter[str] = Counter()
    double: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for piece in word:
            single[piece] += count
        for pair in pairwise(word):
            double[pair] += count
    return single, double


def best_pair(words: Words) -> tuple[str, str] | None:
    """The pair with the largest count(ab) / (count(a) count(b)); None where no pair is left.

    That is the gain in log likelihood a merge brings, under a model that draws pieces one by one,
    for each time the pair occurs. Ties go to the more frequent pair, then to the alphabet.
    """
    single, double = count_pairs(words)
    return min(
        double,
        default=None,
        key=lambda pair: (-double[pair] / (single[pair[0]] * single[pair[1]]), -double[pair], pair),
    )


def train_wordpiece(
    counts: Mapping[str, int],
    vocab_size: int,
    min_count: int = 1,
    choose: Callable[[Words], tuple[str, str] | None] = best_pair,
) -> list[str]:
    """The vocabulary: `[UNK]`, every character seen, then one piece a merge.

    counts: how often each word occurs; min_count: words rarer than this are left out; choose:
    which pair to merge next. Raises ValueError where `vocab_size` can't hold the characters, and
    for a `min_count` below 1: a word that never occurs has no share.
    """
    if min_count < 1:
        raise ValueError(f"min_count={min_count}: expected at least 1")
    words = {tuple(pieces_of(word)): n for word, n in counts.items() if word and n >= min_count}
    vocabulary = [UNKNOWN, *sorted({piece for word in words for piece in word})]
    if vocab_size < len(vocabulary):
        raise ValueError(
            f"vocab_size={vocab_size} is too small: {UNKNOWN} and the characters "
            f"seen need {len(vocabulary)}"
        )
    known = set(vocabulary)
    while len(vocabulary) < vocab_size:
        pair = choose(words)
        if pair is None:
            break
        made = join(*pair)
        words = {merge(word, pair, made): count for word, count in words.items()}
        if made not in known:  # two paths may lead to one piece
            known.add(made)
            vocabulary.append(made)
    return vocabulary


def merge(word: tuple[str, ...], pair: tuple[str, str], made: str) -> tuple[str, ...]:
    """`word` with every occurrence of `pair` replaced, from left to right."""
    out, place = [], 0
    while place < len(word):
        if word[place : place + 2] == pair:
            out.append(made)
            place += 2
        else:
            out.append(word[place])
            place += 1
    return tuple(out)


def encode_word(word: str, vocabulary: Iterable[str], longest: int = 100) -> list[str]:
    """The longest piece of the vocabulary that starts the rest, again and again.

    One place without a piece makes the whole word `[UNK]`; so does a word of more than `longest`
    characters. Training's merges play no part here: only the list of pieces does.
    """
    known = vocabulary if isinstance(vocabulary, set | frozenset | dict) else set(vocabulary)
    if len(word) > longest:
        return [UNKNOWN]
    found, start = [], 0
    while start < len(word):
        mark = INSIDE if start else ""
        for end in range(len(word), start, -1):
            if mark + word[start:end] in known:
                found.append(mark + word[start:end])
                start = end
                break
        else:
            return [UNKNOWN]
    return found
