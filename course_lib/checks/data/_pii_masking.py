"""Mask card numbers: a pattern proposes, the check digit decides."""

import random
import re
from collections.abc import Callable

from course_lib.checks.exercise import Case, Exercise
from course_lib.data.privacy.recognisers import luhn

Rule = Callable[[str], bool]
SIXTEEN = re.compile(r"(?<!\d)\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}(?!\d)")


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


CONFUSED = (_last_doubled, _no_nine, _plain_sum, _without_check_digit)


def _cases(seed: int) -> list[Case]:
    """Every ordinary text holds a card, so that doing nothing is never right."""
    draw = random.Random(seed)

    def card(gap: str = "", fools: Rule | None = None) -> str:
        return gap.join(_fours(_number(draw, fools)))

    def more() -> str:
        return str(draw.randint(1, 9999))

    one, two, three, four = _fours(_number(draw))
    texts = [
        ("a card in a row", f"Paid with {card()} on Monday"),
        ("a card in fours, with blanks", f"{card(' ')} is my card."),
        ("a card in fours, with dashes", f"card: {card('-')}, thanks"),
        ("a card, and wrong check digits", f"{card()} {card('', _plain_sum)}"),
        ("wrong ones in fours", f"{card('-', _no_nine)} {card('-')}, {card(' ', _last_doubled)}"),
        ("a card, and longer numbers", f"{card()}{more()}, {card()} and {more()}{card()}"),
        ("a card, and two kinds of gap", f"{card(' ')}; {one} {two}-{three} {four}"),
        ("a card among dates", f"2026-03-01 {card()}, {card('-', _without_check_digit)}, 2026"),
    ]
    cases = [Case(what, (text,)) for what, text in texts]
    plain = f"No card in row {draw.randint(10, 99)}, none is added."
    return [*cases, Case("no card", (plain,), edge=True), Case("an empty text", ("",), edge=True)]


def _fours(digits: str) -> list[str]:
    return [digits[i : i + 4] for i in range(0, 16, 4)]


def _number(draw: random.Random, fools: Rule | None = None) -> str:
    """16 digits that are right by Luhn's rule and by no rule one could take for it.

    Or, where there is a rule to fool, by that rule alone.
    """
    while True:
        digits = str(draw.randint(1, 9)) + "".join(draw.choices("0123456789", k=15))
        if [rule for rule in (luhn, *CONFUSED) if rule(digits)] == [fools or luhn]:
            return digits


def _mask_cards(text: str, *, MASK: str) -> str:
    return _masked(text, MASK, SIXTEEN, luhn)


def _masked(text: str, mask: str, pattern: re.Pattern, check: Rule) -> str:
    def instead(found: re.Match) -> str:
        return mask if check(re.sub(r"\D", "", found[0])) else found[0]

    return pattern.sub(instead, text)


def _keeps_last_four(text: str, *, MASK: str) -> str:
    def instead(found: re.Match) -> str:
        digits = re.sub(r"\D", "", found[0])
        return f"{MASK}{digits[-4:]}" if luhn(digits) else found[0]

    return SIXTEEN.sub(instead, text)


def _changed(pattern: re.Pattern = SIXTEEN, check: Rule = luhn) -> Callable:
    return lambda text, *, MASK: _masked(text, MASK, pattern, check)


_MISTAKES = {
    "You mask every number of 16 digits. An order number or a random identifier isn't a card: ask "
    "the check digit.": _changed(check=lambda digits: True),
    "You double the last digit and every second one before it. The last is the check digit and "
    "counts once: begin with the one before it.": _changed(check=_last_doubled),
    "You don't take 9 off a doubled digit that passes 9. 7 doubled is 14, and counts 1 + 4 = 5.": (
        _changed(check=_no_nine)
    ),
    "You add the digits without doubling any. Then swapping two digits would go unseen: that is "
    "what the doubling is for.": _changed(check=_plain_sum),
    "You leave the check digit out of the sum. It is the digit that brings the sum to a multiple "
    "of 10, so it has to be in it.": _changed(check=_without_check_digit),
    "You look for 16 digits in a row alone. People write them in fours, with blanks or dashes.": (
        _changed(re.compile(r"(?<!\d)\d{16}(?!\d)"))
    ),
    "You find 16 digits inside longer runs. A number of 20 digits is no card with something "
    "behind it: look at the neighbours on both sides.": _changed(
        re.compile(r"\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}")
    ),
    "You let each gap have a separator of its own. `4111 1111-1111 1111` isn't how a card is "
    "written; in a table, two columns would become one card.": _changed(
        re.compile(r"(?<!\d)\d{4}(?:[ -]?\d{4}){3}(?!\d)")
    ),
    "You leave the last four digits standing. With a name beside them they are enough to "
    "recognise somebody: mask the whole number.": _keeps_last_four,
}

mask_cards = Exercise(
    name="data/pii_masking",
    title="Mask card numbers",
    answer="hide_cards",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_mask_cards,
    mistakes=_MISTAKES,
    constants={"MASK": ("<card>", "[CARD]", "<number>", "***")},
)
