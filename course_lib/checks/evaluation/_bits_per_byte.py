"""Bits a byte: a loss that doesn't depend on the tokenizer."""

import math
import random

from course_lib.checks.exercise import Case, Exercise

TEXTS = (
    ("letters of one byte", "abcdefghij"),
    ("letters of two bytes", "äöüéèçñøåß"),
    ("letters of three bytes", "日本語文字列機械学"),
    ("signs of four bytes", "🙂🚀🌍🎲🧮🪐"),
    ("a bit of everything", "abc déf 日本 🙂 x"),
)


def _cases(seed: int) -> list[Case]:
    draw = random.Random(seed)
    cases = []
    for what, letters in TEXTS:
        words = ["".join(draw.choices(letters, k=draw.randint(2, 6))) for _ in range(4)]
        text = " ".join(words)
        pieces = draw.randint(3, 6) if not cases else draw.randint(8, 20)
        cases.append(Case(what, ([-round(draw.uniform(0.1, 6), 3) for _ in range(pieces)], text)))
    sure = [0.0] * draw.randint(2, 9)
    return [*cases, Case("a model that is certain", (sure, "ab" * draw.randint(1, 9)), edge=True)]


def _bits_per_byte(logprobs: list[float], text: str) -> float:
    """- sum of ln p / (ln 2 · bytes)"""
    return -sum(logprobs) / math.log(2) / len(text.encode())


_MISTAKES = {
    "You divide by characters. A character can take up to four bytes: len(text.encode()).": (
        lambda logprobs, text: -sum(logprobs) / math.log(2) / len(text)
    ),
    "You divide by tokens: that is bits a token, which a larger vocabulary makes larger for an "
    "equally good model.": lambda logprobs, text: -sum(logprobs) / math.log(2) / len(logprobs),
    "You divide by tokens and by bytes. The bits of the whole text are a sum, not a mean.": (
        lambda logprobs, text: -sum(logprobs) / math.log(2) / len(logprobs) / len(text.encode())
    ),
    "You divide by words: that is a figure of its own, which depends on the language.": (
        lambda logprobs, text: -sum(logprobs) / math.log(2) / len(text.split())
    ),
    "This is nats a byte: a bit is ln 2 nats.": (
        lambda logprobs, text: -sum(logprobs) / len(text.encode())
    ),
    "You multiply by ln 2. There are more bits than nats, since a bit is the smaller unit.": (
        lambda logprobs, text: -sum(logprobs) * math.log(2) / len(text.encode())
    ),
    "The sign is turned: a log-probability is at most 0, a loss at least 0.": (
        lambda logprobs, text: sum(logprobs) / math.log(2) / len(text.encode())
    ),
    "This is 2 to the power of it: a perplexity. Bits are its logarithm.": (
        lambda logprobs, text: 2 ** _bits_per_byte(logprobs, text)
    ),
}

bits_per_byte = Exercise(
    name="evaluation/bits_per_byte",
    title="Bits a byte",
    answer="my_bits_per_byte",
    kind="warm-up",
    minutes=10,
    points=5,
    cases=_cases,
    reference=_bits_per_byte,
    mistakes=_MISTAKES,
)
