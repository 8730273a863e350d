"""Instant check of masking card numbers."""

import random
import re
from collections.abc import Callable

from course_lib.checks._report import CheckReport, run_check
from course_lib.data.recognisers import luhn

MASK = "<card>"
SIXTEEN = re.compile(r"(?<!\d)\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}(?!\d)")


def mask_cards(fn: Callable) -> CheckReport:
    """Card numbers of 16 digits replaced: fn(text) -> the text with `<card>` for each of them.

    A card number is 16 digits in a row, or in fours with the same separator (a blank or a dash)
    between all of them, not part of a longer run of digits, whose check digit is right.
    """
    generator = random.Random(0)
    cases = [*HAND, *(_random_case(generator) for _ in range(30))]
    return run_check("Mask card numbers", fn, cases, mask_cards_reference, MASK_MISTAKES)


def mask_cards_reference(text: str) -> str:
    """A pattern proposes, Luhn's rule decides."""
    return _masked(text, SIXTEEN, luhn)


def _masked(text: str, pattern: re.Pattern, check: Callable[[str], bool]) -> str:
    def instead(found: re.Match) -> str:
        return MASK if check(re.sub(r"\D", "", found[0])) else found[0]

    return pattern.sub(instead, text)


def _sum(digits: str, first: int, nine: bool = True) -> int:
    """The sum with every second digit doubled from place `first` on, as the digits are given."""
    total = 0
    for place, digit in enumerate(digits):
        value = int(digit) * (2 if place % 2 == first else 1)
        total += value - 9 if nine and value > 9 else value
    return total


def _last_doubled(digits: str) -> bool:
    return _sum(digits[::-1], 0) % 10 == 0


def _no_nine(digits: str) -> bool:
    return _sum(digits[::-1], 1, nine=False) % 10 == 0


def _without_check_digit(digits: str) -> bool:
    return _sum(digits[:-1][::-1], 0) % 10 == 0


def _plain_sum(digits: str) -> bool:
    return sum(map(int, digits)) % 10 == 0


def _keeps_last_four(text: str) -> str:
    return SIXTEEN.sub(lambda m: f"{MASK}{m[0][-4:]}"
                       if luhn(re.sub(r"\D", "", m[0])) else m[0], text)


MASK_MISTAKES = {
    "You mask every number of 16 digits. An order number or a random identifier isn't a card: ask "
    "the check digit.": lambda text: _masked(text, SIXTEEN, lambda digits: True),
    "You double the last digit and every second one before it. The last is the check digit and "
    "counts once: begin with the one before it.": lambda text: _masked(
        text, SIXTEEN, _last_doubled),
    "You don't take 9 off a doubled digit that passes 9. 7 doubled is 14, and counts 1 + 4 = 5.":
        lambda text: _masked(text, SIXTEEN, _no_nine),
    "You add the digits without doubling any. Then swapping two digits would go unseen: that is "
    "what the doubling is for.": lambda text: _masked(text, SIXTEEN, _plain_sum),
    "You leave the check digit out of the sum. It is the digit that brings the sum to a multiple "
    "of 10, so it has to be in it.": lambda text: _masked(text, SIXTEEN, _without_check_digit),
    "You look for 16 digits in a row alone. People write them in fours, with blanks or dashes.":
        lambda text: _masked(text, re.compile(r"(?<!\d)\d{16}(?!\d)"), luhn),
    "You find 16 digits inside longer runs. A number of 20 digits is no card with something "
    "behind it: look at the neighbours on both sides.": lambda text: _masked(
        text, re.compile(r"\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}"), luhn),
    "You let each gap have a separator of its own. `4111 1111-1111 1111` isn't how a card is "
    "written; in a table, two columns would become one card.": lambda text: _masked(
        text, re.compile(r"(?<!\d)\d{4}(?:[ -]?\d{4}){3}(?!\d)"), luhn),
    "You leave the last four digits standing. With a name beside them they are enough to "
    "recognise somebody: mask the whole number.": _keeps_last_four,
}

HAND = (
    "Card 4111 1111 1111 1111, not 4111 1111 1111 1112.",
    "5500-0000-0000-0004 and 5500000000000004",
    "4111 1111-1111 1111",
    "14111111111111111 41111111111111110",
    "No number here, and none is added.",
    "7000 0000 0000 0000 7000 0000 0000 0005",
    "",
)


def _random_case(generator: random.Random) -> str:
    parts = []
    for _ in range(generator.randint(1, 3)):
        digits = "".join(generator.choice("0123456789") for _ in range(15))
        digits += generator.choice([next(d for d in "0123456789" if luhn(digits + d)),
                                    generator.choice("0123456789")])
        fours = [digits[i:i + 4] for i in range(0, 16, 4)]
        parts.append(generator.choice(("", " ", "-")).join(fours))
        parts.append(generator.choice(("paid", "on 2026-03-01", "ref 12345", "by Mia")))
    return ", ".join(parts)
