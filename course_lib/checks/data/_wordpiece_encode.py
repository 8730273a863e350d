"""WordPiece's longest match: cut a word from the left by the longest piece that fits."""

import random

from course_lib.checks.exercise import Case, Exercise
from course_lib.data.tokenization.wordpiece import INSIDE, UNKNOWN, encode_word

Vocabulary = list[str]


def _cases(seed: int) -> list[Case]:
    """Letters and lengths from the seed; the shape of each vocabulary sets one trap."""
    draw = random.Random(seed)
    a, b, c, d, e, f = draw.sample("abcdefghiklmnoprstuvw", 6)

    def fill(*pieces: str) -> Vocabulary:
        made = [UNKNOWN, a, b, "##" + e, "##" + f, *pieces]
        draw.shuffle(made)
        return made

    long = [a + b + c, "##" + d + e, "##" + d, "##" + c, "##" + c + d]
    cases = [
        ("a word of two pieces", a + b + c + d, fill(a + b + c, "##" + d)),
        ("a shorter first piece would do as well", a + b + c + d + e, fill(*long, a + b)),
        ("pieces that stand inside and at the start", a + b + b, fill("##" + b, a + b, b + b)),
        ("the longest first piece leads nowhere", a + b + c, fill(a + b, "##" + b, "##" + b + c)),
        ("a letter that no piece holds", a + b + c + e, fill(a + b, "##" + b, c)),
        ("a long word", (a + e) * 2 + f + e + b, fill("##" + a + e, "##" + f + e, "##" + b)),
        *[(f"a random word and vocabulary, {n}", *_random(draw)) for n in ("one", "two", "three")],
    ]
    made = [Case(what, (word, vocabulary)) for what, word, vocabulary in cases]
    return [
        *made,
        Case("a word that is a piece itself", (a + b, fill(a + b)), edge=True),
        Case("a word of one unknown letter", (d, fill()), edge=True),
        Case("an empty word", ("", fill()), edge=True),
    ]


def _random(draw: random.Random) -> tuple[str, Vocabulary]:
    """A word that its vocabulary can cut into three pieces or more."""
    while True:
        letters = draw.sample("abcdefghiklmnoprstuvw", 3)
        vocabulary = [UNKNOWN, *letters[:2], *(INSIDE + letter for letter in letters)]
        for _ in range(draw.randint(4, 9)):
            piece = "".join(draw.choices(letters, k=draw.randint(2, 4)))
            vocabulary.append(draw.choice(("", INSIDE)) + piece)
        word = "".join(draw.choices(letters, k=draw.randint(6, 9)))
        if len(encode_word(word, set(vocabulary))) >= 3:
            return word, vocabulary


def _encode(word: str, vocabulary: Vocabulary) -> list[str]:
    return encode_word(word, set(vocabulary))


def _greedy(
    word: str,
    vocabulary: Vocabulary,
    *,
    ends=lambda start, n: range(n, start, -1),
    mark=lambda start: INSIDE if start else "",
    gap=None,
) -> list[str]:
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


def _mark_left_off(word: str, vocabulary: Vocabulary) -> list[str]:
    return [piece.removeprefix(INSIDE) for piece in _encode(word, vocabulary)]


def _shortest(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, ends=lambda start, n: range(start + 1, n + 1))


def _unknown_letters(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, gap=[UNKNOWN])


def _skip(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, gap=[])


def _stops(word: str, vocabulary: Vocabulary) -> list[str]:
    found = _unknown_letters(word, vocabulary)
    return found[: found.index(UNKNOWN) + 1] if UNKNOWN in found else found


def _marked_from_the_start(word: str, vocabulary: Vocabulary) -> list[str]:
    return _greedy(word, vocabulary, mark=lambda start: INSIDE)


def _tries_again(word: str, vocabulary: Vocabulary) -> list[str]:
    def cut(start: int) -> list[str] | None:
        mark = INSIDE if start else ""
        for end in range(len(word), start, -1):
            if mark + word[start:end] in vocabulary:
                rest = cut(end)
                if rest is not None:
                    return [mark + word[start:end], *rest]
        return [] if start == len(word) else None

    found = cut(0)
    return [UNKNOWN] if found is None else found


_MISTAKES = {
    "You look pieces inside the word up without their mark. After the first piece, the vocabulary "
    "holds `##able`, not `able`.": _unmarked,
    "The cut is right, but your pieces have lost their mark: return them as the vocabulary holds "
    "them, `##able`.": _mark_left_off,
    "You take the shortest piece that fits. Begin with the whole rest of the word, and shorten it "
    "from its end.": _shortest,
    "You write [UNK] for each character without a piece. One such place makes the whole word "
    "[UNK], and nothing else is returned.": _unknown_letters,
    "You leave characters without a piece out. The word would read differently: give [UNK] for "
    "the whole word.": _skip,
    "You keep the pieces found before the gap and put [UNK] behind them. The whole word becomes "
    "one [UNK].": _stops,
    "Where the longest piece leads nowhere you go back and try a shorter one. That is a better "
    "tokenizer, and not this one: the longest piece is final.": _tries_again,
    "You put the mark before the first piece too. `##` means: this goes on a word.": (
        _marked_from_the_start
    ),
}

wordpiece_encode = Exercise(
    name="data/wordpiece_encode",
    title="WordPiece's longest match",
    answer="cut_word",
    kind="warm-up",
    minutes=15,
    points=5,
    cases=_cases,
    reference=_encode,
    mistakes=_MISTAKES,
)
