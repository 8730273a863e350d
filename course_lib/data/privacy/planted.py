"""Sentences with personal data planted at known places, and with traps that only look like it.

Nobody's data: e-mail addresses end in reserved domains (RFC 2606), IP addresses lie in ranges kept
for documentation (RFC 5737, RFC 3849), North American numbers are of the 555-01xx kind kept for
fiction, cards and accounts are random digits with right check digits, names are invented.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from course_lib.data.privacy.recognisers import IBAN_LENGTHS, luhn, mod97

GIVEN = (
    "Mara",
    "Ilse",
    "Tomas",
    "Anouk",
    "Pavel",
    "Wren",
    "Idris",
    "Noemi",
    "Caspar",
    "Linnea",
    "Oskar",
    "Tamsin",
    "Bruno",
    "Yara",
    "Felix",
    "Ottilie",
)
FAMILY = (
    "Quill",
    "Ostrow",
    "Vance",
    "Tallis",
    "Merrow",
    "Kestrel",
    "Aldous",
    "Brandt",
    "Corvin",
    "Dorsey",
    "Fenwick",
    "Harrow",
    "Lowell",
    "Penrose",
    "Sorrel",
    "Wexley",
)
SENTENCES = {
    "email": ("Send the draft to {x} by Friday.", "Questions? Ask {x}.", "From: {x}"),
    "phone": ("You can reach the office at {x} until noon.", "Call {x}.", "Tel. {x}, ask for Mia"),
    "ip": ("The login came from {x} last night.", "{x} - GET /index.html 200", "Block {x}."),
    "iban": ("Please pay to {x} within ten days.", "IBAN: {x}", "Account {x} is closed."),
    "card": ("He paid with {x} in the shop.", "Card number {x}, valid 09/27.", "Charge it to {x}."),
    "name": (
        "This page was written by {x} in spring.",
        "Author: {x}",
        "{x} opened the mill again.",
        "We thank {x} for the photographs.",
        "Yesterday {x} met the council.",
    ),
}
# Countries whose account numbers may be digits alone; others demand letters at some places.
NUMERIC = (
    "AT",
    "BE",
    "CH",
    "CZ",
    "DE",
    "DK",
    "EE",
    "ES",
    "FI",
    "FR",
    "HR",
    "HU",
    "LT",
    "NO",
    "PL",
    "PT",
    "SE",
    "SI",
    "SK",
)
TRAP_SENTENCES = ("The value {x} is in the table.", "See {x} for details.", "It printed {x} twice.")


@dataclass(frozen=True)
class Planted:
    """A sentence; the kind and place of what was planted, or of the trap (`kind` says of what)."""

    text: str
    kind: str
    start: int
    end: int
    trap: bool = False

    @property
    def value(self) -> str:
        return self.text[self.start : self.end]


def planted(
    n: int, seed: int = 0, kinds: tuple[str, ...] = tuple(SENTENCES), *, people: slice = slice(None)
) -> list[Planted]:
    """n sentences, the kinds in turn, each with one planted value.

    people: which of GIVEN and FAMILY to take names from, so that a recogniser can be tested on
    names that it was not trained on.
    """
    draw = random.Random(seed)
    made = []
    for i in range(n):
        kind = kinds[i % len(kinds)]
        value = _name(draw, people) if kind == "name" else VALUES[kind](draw)
        made.append(_sentence(draw.choice(SENTENCES[kind]), value, kind))
    return made


def traps(n: int, seed: int = 0) -> list[Planted]:
    """n sentences, each with something that looks like personal data and isn't."""
    draw = random.Random(seed)
    kinds = list(TRAPS)
    return [
        _sentence(draw.choice(TRAP_SENTENCES), TRAPS[kind](draw), kind, trap=True)
        for kind in (kinds[i % len(kinds)] for i in range(n))
    ]


def _sentence(form: str, value: str, kind: str, trap: bool = False) -> Planted:
    start = form.index("{x}")
    return Planted(form.replace("{x}", value), kind, start, start + len(value), trap)


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choice("0123456789") for _ in range(count))


def _email(draw: random.Random) -> str:
    given, family = draw.choice(GIVEN).lower(), draw.choice(FAMILY).lower()
    user = draw.choice((f"{given}.{family}", f"{given[0]}{family}", f"{family}+n", f"{given}_92"))
    return f"{user}@{draw.choice(('example.com', 'mail.example.org', 'example.net'))}"


def _phone(draw: random.Random) -> str:
    area, line = draw.randint(201, 989), f"01{_digits(draw, 2)}"
    area += 10 * (area % 100 // 10 == 1 and area % 10 == 1)  # 211, 311 … are services
    return draw.choice(
        (
            f"({area}) 555-{line}",
            f"+1 {area} 555 {line}",
            f"{area}-555-{line}",
            f"+44 20 7946 0{_digits(draw, 3)}",
            f"+49 30 23125 {_digits(draw, 3)}",
            f"030 23125 {_digits(draw, 3)}",
        )
    )  # the last has no country


def _ip(draw: random.Random) -> str:
    if draw.random() < 0.25:
        return f"2001:db8:{draw.randint(1, 65535):x}::{draw.randint(1, 65535):x}"
    return f"{draw.choice(('198.51.100', '203.0.113'))}.{draw.randint(1, 254)}"


def card_number(draw: random.Random) -> str:
    """16 random digits that begin as cards do, with the right check digit."""
    digits = draw.choice(("40", "45", "51", "54")) + _digits(draw, 13)
    digits += next(d for d in "0123456789" if luhn(digits + d))
    return draw.choice((digits, " ".join(digits[i : i + 4] for i in range(0, 16, 4))))


def iban_number(draw: random.Random) -> str:
    """A random account of a random country, with the right check digits."""
    country = draw.choice(NUMERIC)
    account = _digits(draw, IBAN_LENGTHS[country] - 4)
    check = next(f"{n:02d}" for n in range(2, 99) if mod97(f"{country}{n:02d}{account}"))
    whole = country + check + account
    return draw.choice((whole, " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))))


def _name(draw: random.Random, people: slice) -> str:
    return f"{draw.choice(GIVEN[people])} {draw.choice(FAMILY[people])}"


def _dotted(draw: random.Random) -> str:
    return ".".join(str(draw.randint(1, 12)) for _ in range(4))


VALUES: dict[str, Callable[[random.Random], str]] = {
    "email": _email,
    "phone": _phone,
    "ip": _ip,
    "iban": iban_number,
    "card": card_number,
}
TRAPS: dict[str, Callable[[random.Random], str]] = {
    "random 16 digits": lambda d: d.choice("45") + _digits(d, 15),
    "version number": lambda d: f"v{_dotted(d)}",
    "section number": lambda d: _dotted(d),
    "ISBN": lambda d: f"978-{d.randint(0, 9)}-{_digits(d, 3)}-{_digits(d, 5)}-{d.randint(0, 9)}",
    "hexadecimal": lambda d: "".join(d.choice("0123456789abcdef") for _ in range(40)),
    "UUID": lambda d: "-".join(
        "".join(d.choice("0123456789abcdef") for _ in range(n)) for n in (8, 4, 4, 4, 12)
    ),
    "date and time": lambda d: (
        f"20{d.randint(10, 26)}-0{d.randint(1, 9)}-{d.randint(10, 28)} "
        f"{d.randint(10, 23)}:{d.randint(10, 59)}:{d.randint(10, 59)}"
    ),
    "decorator": lambda d: f"x@{d.choice(('property', 'cache', 'wraps'))}(f)",
    "order number": lambda d: f"{_digits(d, 3)}-{_digits(d, 3)}-{_digits(d, 4)}",
    "MAC address": lambda d: ":".join(f"{d.randint(0, 255):02x}" for _ in range(6)),
    "slice": lambda d: f"a[{d.randint(0, 9)}::{d.randint(2, 9)}]",
    "decimal": lambda d: f"{d.randint(0, 9)}.{_digits(d, 15)}",
}
