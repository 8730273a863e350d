"""Answers to masking card numbers as learners write them: wrong with their hint, and right."""

import re

MASK = "<card>"
IN_FOURS = r"(?<![0-9])(?:[0-9]{16}|[0-9]{4}(?: [0-9]{4}){3}|[0-9]{4}(?:-[0-9]{4}){3})(?![0-9])"


def checks_out(digits):
    odd = sum(int(d) for d in digits[-1::-2])
    even = sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (odd + even) % 10 == 0


def replace(text, pattern, good=checks_out):
    def one(match):
        return MASK if good(re.sub("[ -]", "", match.group())) else match.group()

    return re.sub(pattern, one, text)


def with_three_patterns(text):
    return replace(text, IN_FOURS)


def from_the_left(text):
    def good(digits):
        table = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
        return sum(table[int(d)] if i % 2 == 0 else int(d) for i, d in enumerate(digits)) % 10 == 0

    four = r"(?P=gap)\d{4}"
    return replace(text, r"(?<!\d)\d{4}(?P<gap>[- ]?)\d{4}" + four + four + r"(?!\d)", good)


def without_expressions(text):
    out, i = "", 0
    while i < len(text):
        for gap in ("", " ", "-"):
            n = 16 + 3 * len(gap)
            piece = text[i : i + n]
            groups = piece.split(gap) if gap else [piece[k : k + 4] for k in (0, 4, 8, 12)]
            alone = not (i and text[i - 1].isdigit()) and not text[i + n : i + n + 1].isdigit()
            fours = [len(g) for g in groups] == [4] * 4 and all(g.isdigit() for g in groups)
            if fours and alone and checks_out("".join(groups)):
                out, i = out + MASK, i + n
                break
        else:
            out, i = out + text[i], i + 1
    return out


def masks_every_number(text):
    return re.sub(IN_FOURS, MASK, text)


def doubles_the_wrong_half(text):
    def good(digits):
        return (
            sum(
                (2 * int(d) - 9 if int(d) > 4 else 2 * int(d)) if i % 2 else int(d)
                for i, d in enumerate(digits)
            )
            % 10
            == 0
        )

    return replace(text, IN_FOURS, good)


def keeps_two_digit_products(text):
    def good(digits):
        return (sum(map(int, digits[1::2])) + sum(2 * int(d) for d in digits[::2])) % 10 == 0

    return replace(text, IN_FOURS, good)


def adds_the_digits(text):
    return replace(text, IN_FOURS, lambda digits: sum(int(d) for d in digits) % 10 == 0)


def wants_them_in_a_row(text):
    return replace(text, r"(?<!\d)\d{16}(?!\d)")


def looks_inside_longer_numbers(text):
    return replace(text, r"\d{16}|\d{4}(?: \d{4}){3}|\d{4}(?:-\d{4}){3}")


def takes_any_gap(text):
    return replace(text, r"(?<!\d)(?:\d{4}[- ]?){3}\d{4}(?!\d)")


def shows_the_last_four(text):
    def one(match):
        good = checks_out(re.sub("[ -]", "", match[0]))
        return MASK + match[0][-4:] if good else match[0]

    return re.sub(IN_FOURS, one, text)


def drops_the_separators_everywhere(text):
    return replace(re.sub("[ -]", "", text), r"(?<!\d)\d{16}(?!\d)")


def wants_a_word_border_and_takes_the_blank(text):
    return replace(text, r"\s(?:\d{16}|\d{4}(?: \d{4}){3}|\d{4}(?:-\d{4}){3})\b")


WRONG = {
    masks_every_number: "ask the check digit",
    doubles_the_wrong_half: "begin with the one before it",
    keeps_two_digit_products: "take 9 off",
    adds_the_digits: "without doubling any",
    wants_them_in_a_row: "in a row alone",
    looks_inside_longer_numbers: "inside longer runs",
    takes_any_gap: "a separator of its own",
    shows_the_last_four: "last four digits standing",
    drops_the_separators_everywhere: "You have",
    wants_a_word_border_and_takes_the_blank: "You have",
}
RIGHT = [with_three_patterns, from_the_left, without_expressions]
