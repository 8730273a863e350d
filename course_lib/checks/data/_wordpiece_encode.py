"""The check of the exercise on WordPiece: cut a word by the longest piece that fits."""

import random
from collections.abc import Callable

from course_lib.checks._report import CheckReport, run_check
from course_lib.data.wordpiece import INSIDE, UNKNOWN, encode_word

Vocabulary = list[str]


def wordpiece_encode(fn: Callable) -> CheckReport:
    """fn(word, vocabulary) -> its pieces, the longest first from the left; ["[UNK]"] without."""
    generator = random.Random(0)
    cases = [*_hand_worked(), *(_random_case(generator) for _ in range(40))]
    return run_check("WordPiece's longest match", fn, cases, wordpiece_encode_reference,
                     WORDPIECE_MISTAKES)


def wordpiece_encode_reference(word: str, vocabulary: Vocabulary) -> list[str]:
    return encode_word(word, set(vocabulary))


def _greedy(word: str, vocabulary: Vocabulary, *, ends=lambda start, n: range(n, start, -1),
            mark=lambda start: INSIDE if start else "", gap=None) -> list[str]:
    found, start = [], 0
    while start < len(word):
        for end in ends(start, len(word)):
            if mark(start) + word[start:end] in vocabulary:
                found.append(mark(start) + word[start:end])
                start = end
                break
        else:
            if gap is None:
                return [UNKNOWN]
            found += gap
            start += 1
    return found


def _unmarked(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, mark=lambda start: "")


def _shortest(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, ends=lambda start, n: range(start + 1, n + 1))


def _unknown_letters(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, gap=[UNKNOWN])


def _skip(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, gap=[])


def _stops(word: str, vocabulary: Vocabulary) -> list[str]:
    for end in range(len(word), 0, -1):
        found = _greedy(word[:end], vocabulary)
        if found != [UNKNOWN]:
            return found if end == len(word) else [*found, UNKNOWN]
    return [UNKNOWN] if word else []


def _marked_from_the_start(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, mark=lambda start: INSIDE)


WORDPIECE_MISTAKES = {
    "You look pieces inside the word up without their mark. After the first piece, the vocabulary "
    "holds `##able`, not `able`.": _unmarked,
    "You take the shortest piece that fits. Begin with the whole rest of the word, and shorten it "
    "from its end.": _shortest,
    "You write [UNK] for each character without a piece. One such place makes the whole word "
    "[UNK], and nothing else is returned.": _unknown_letters,
    "You leave characters without a piece out. The word would read differently: give [UNK] for "
    "the whole word.": _skip,
    "You keep the pieces found before the gap and put [UNK] behind them. The whole word becomes "
    "one [UNK].": _stops,
    "You put the mark before the first piece too. `##` means: this goes on a word.":
        _marked_from_the_start,
}


def _hand_worked() -> list[tuple[str, Vocabulary]]:
    vocabulary = [UNKNOWN, "un", "u", "a", "able", "##a", "##aff", "##able", "##ff", "##n", "##un",
                  "##b", "##l", "##e", "##u"]
    return [("unaffable", vocabulary), ("unaffably", vocabulary), ("able", vocabulary),
            ("una", vocabulary), ("xun", vocabulary)]


def _random_case(generator: random.Random) -> tuple[str, Vocabulary]:
    vocabulary = [UNKNOWN, "a", "##a", "##b", "b"]
    for _ in range(generator.randint(3, 9)):
        piece = "".join(generator.choices("abc", k=generator.randint(1, 4)))
        vocabulary.append(generator.choice(("", INSIDE)) + piece)
    return "".join(generator.choices("aaabbbc", k=generator.randint(1, 8))), vocabulary
