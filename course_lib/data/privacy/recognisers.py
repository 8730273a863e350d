"""Recognisers of personal data: a pattern finds candidates, a check accepts or refuses each.

A recogniser yields (start, end, personal, reason). The checks are those of the standards: ISO/IEC
7812-1 annex B (Luhn) for cards, ISO 13616 with ISO 7064 (mod 97) for IBANs, ITU E.164 for
telephone numbers, RFC 791 and RFC 4291 for addresses.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator

from course_lib.data.extraction.clean import EMAIL, nobody

Candidate = tuple[int, int, bool, str]

PSEUDONYM = re.compile(r"person-[0-9a-f]{8}@example\.org\Z")
# As printed on cards: in one piece, in fours, or 4 + 6 + 5. Any run of digits and blanks would join
# a card's number with the year behind it, and so lose it.
CARD = re.compile(
    r"(?<![\w.+-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?"
    r"|\d{4}([ -])\d{6}\2\d{5})(?![\w-])"
)
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?= ?[A-Z0-9])")
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:.]+")  # a whole run: what it is, `_ipv6_runs` asks
GAP = "-\u2010-\u2013. \u00a0"  # between groups of digits, also as typesetters write them
PHONE = re.compile(
    rf"(?<![\w+.])(?:\+\d(?:[{GAP}()/]{{0,2}}\d){{6,17}}"
    rf"|(?:1[{GAP}]?)?(?:\(\d{{3}}\)[{GAP}]?|\d{{3}}[{GAP}]?)\d{{3}}[{GAP}]?\d{{4}})(?![\w-]|\.\d)"
)
NAME_WORD = r"[^\W\d_a-z][^\W\d_A-Z]+(?:[-'][^\W\d_]+)?"
NAME = re.compile(
    rf"\b(?:(?:(?:[Ww]ritten|[Cc]reated|[Cc]ontributed|[Mm]aintained|[Ii]mplemented)\s{{1,9}}by"
    rf"|[Aa]uthors?:|[Cc]opyright\s{{1,9}}(?:\([Cc]\)\s{{0,9}})?(?:[\d, -]{{1,40}})?)\s{{0,9}}"
    rf"(?P<two>{NAME_WORD}(?:\s{{1,9}}(?:[A-Z]\.\s{{0,9}})?{NAME_WORD}){{1,2}})"
    rf"|(?:Mr|Mrs|Ms|Dr|Prof)\.?\s{{1,9}}(?P<one>{NAME_WORD}(?:\s{{1,9}}{NAME_WORD})?))"
)

# Issuers by the digits they begin with, and how long their numbers are (ISO/IEC 7812-1; the ranges
# are those that the card schemes publish). A first digit alone would take any timestamp of 14
# digits for a card, one time in ten.
ISSUERS = (
    ("Visa", (4,), (13, 16, 19)),
    ("Mastercard", (*range(51, 56), *range(2221, 2721)), (16,)),
    ("American Express", (34, 37), (15,)),
    ("Diners Club", (*range(300, 306), 309, 36, 38, 39), (14, 16, 19)),
    ("Discover", (6011, *range(644, 650), 65), (16, 19)),
    ("JCB", tuple(range(3528, 3590)), (16, 17, 18, 19)),
    ("UnionPay", (62,), (16, 17, 18, 19)),
    ("Mir", tuple(range(2200, 2205)), (16, 17, 18, 19)),
    ("Maestro", (5018, 5020, 5038, 5893, 6304, 6759, *range(6761, 6764)), tuple(range(13, 20))),
)

IBAN_LENGTHS = {  # SWIFT, IBAN Registry: characters in all, for the countries that we know
    "AD": 24,
    "AE": 23,
    "AT": 20,
    "BE": 16,
    "BG": 22,
    "CH": 21,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "EE": 20,
    "ES": 24,
    "FI": 18,
    "FR": 27,
    "GB": 22,
    "GR": 27,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IS": 26,
    "IT": 27,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "MC": 27,
    "MT": 31,
    "NL": 18,
    "NO": 15,
    "PL": 28,
    "PT": 25,
    "RO": 24,
    "SA": 24,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "TR": 26,
}
CALLING_CODES = frozenset(  # ITU E.164: codes of one, two and three digits that are assigned
    [
        1,
        7,
        20,
        27,
        *range(30, 35),
        36,
        39,
        40,
        41,
        *range(43, 50),
        *range(51, 59),
        *range(60, 67),
        81,
        82,
        84,
        86,
        *range(90, 96),
        98,
        211,
        212,
        213,
        216,
        218,
        *range(220, 270),
        290,
        291,
        *range(297, 300),
        *range(350, 360),
        *range(370, 383),
        385,
        386,
        387,
        389,
        420,
        421,
        423,
        *range(500, 510),
        *range(590, 600),
        *range(670, 693),
        850,
        852,
        853,
        855,
        856,
        880,
        886,
        *range(960, 969),
        *range(970, 978),
        *range(992, 997),
        998,
    ]
)
NOBODY = tuple(
    map(
        ipaddress.ip_network,
        (  # addresses that point at no one's machine
            "0.0.0.0/8",
            "10.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "192.0.2.0/24",
            "224.0.0.0/3",
            "fe80::/10",
            "fc00::/7",
            "ff00::/8",
        ),
    )
)
VERSION = re.compile(r"(?i)(?:\bv|\bver(?:sion)?|\brelease|\bbuild|[=<>~^]=|\bsection|§)\.?\s*\Z")


def luhn(digits: str) -> bool:
    """Whether a number's last digit is the check digit that Luhn's rule asks for.

    From the right, every second digit is doubled, and 9 is taken off what passes 9; the sum must
    be a multiple of 10. It catches every wrong digit and nearly every swap of two neighbours; a
    random number passes with probability 1/10.
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def mod97(iban: str) -> bool:
    """Whether an IBAN without blanks leaves 1 when divided by 97, its first four put last.

    Letters count as two digits, A = 10 to Z = 35. A random string passes with probability 1/97.
    """
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def emails(text: str) -> Iterator[Candidate]:
    for found in EMAIL.finditer(text):
        if PSEUDONYM.match(found[0]):
            yield *found.span(), False, "already a pseudonym"
        elif why := nobody(found[0]):
            yield *found.span(), False, why
        else:
            yield *found.span(), True, "name, @ and domain"


def cards(text: str) -> Iterator[Candidate]:
    """13 to 19 digits of an issuer's range and length, whose check digit is right."""
    for found in CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        issuer = issuer_of(digits)
        if not issuer:
            reason = f"no card of {len(digits)} digits begins with {digits[:4]}"
            yield *found.span(), False, reason
        elif not luhn(digits):
            yield *found.span(), False, "check digit wrong (Luhn)"
        else:
            reason = f"{issuer}: {len(digits)} digits, check digit right (Luhn)"
            yield *found.span(), True, reason


def issuer_of(digits: str) -> str:
    """Who gives out cards that begin like this and are this long; "" for nobody."""
    for name, starts, lengths in ISSUERS:
        if len(digits) in lengths and digits.startswith(tuple(map(str, starts))):
            return name
    return ""


def ibans(text: str) -> Iterator[Candidate]:
    """A country, two check digits, and as many characters as that country's numbers have."""
    for found in IBAN.finditer(text):
        length = IBAN_LENGTHS.get(found[0][:2])
        if length is None:
            yield *found.span(), False, f"no IBAN begins with {found[0][:2]}"
            continue
        whole = re.compile(rf"(?:[A-Z0-9] ?){{{length - 1}}}[A-Z0-9](?!\w)").match(
            text, found.start()
        )
        if not whole:
            yield *found.span(), False, f"not {length} characters, as in {found[0][:2]}"
        elif not mod97(whole[0].replace(" ", "")):
            yield *whole.span(), False, "check digits wrong (mod 97)"
        else:
            yield *whole.span(), True, "length and check digits right (mod 97)"


def addresses(text: str) -> Iterator[Candidate]:
    """IP addresses, version 4 and 6. Four small numbers behind "version" are a version."""
    for found in IPV4.finditer(text):
        if VERSION.search(text[max(0, found.start() - 12) : found.start()]):
            yield *found.span(), False, "a version or section number"
        else:
            yield *found.span(), *_machine(found[0])
    for start, end in _ipv6_runs(text):
        if len(list(filter(None, text[start:end].split(":")))) < 3:
            yield start, end, False, "too few groups to be told from code"
        else:
            yield start, end, *_machine(text[start:end])


def _ipv6_runs(text: str) -> Iterator[tuple[int, int]]:
    """Runs of hexadecimal digits with two colons at least, without the full stops behind them.

    Each run is read once. One pattern with three stars over the same signs would try every way to
    share a run out among them: the cube of its length.
    """
    for found in IPV6.finditer(text):
        run = found[0].rstrip(".")
        follower = text[found.end() : found.end() + 1] if run == found[0] else "."
        if follower == ":" or follower.isalnum() or follower == "_":  # the word goes on
            run = run.rpartition(".")[0]
        if run.count(":") >= 2 and run[-1] != ":":
            yield found.start(), found.start() + len(run)


def _machine(text: str) -> tuple[bool, str]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False, "no valid address"
    for network in NOBODY:
        if address.version == network.version and address in network:
            return False, f"nobody's: {network}"
    return True, f"valid IPv{address.version} address"


def phones(text: str) -> Iterator[Candidate]:
    """International numbers (+, country, up to 15 digits), and North American ones in groups."""
    for found in PHONE.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if found[0].startswith("+"):
            yield *found.span(), *_international(digits)
            continue
        digits = digits[-10:]  # without the 1 of a long-distance call
        if digits[0] in "01" or digits[3] in "01":
            yield *found.span(), False, "no area code or exchange begins with 0 or 1"
        else:
            yield *found.span(), True, "3 + 3 + 4 digits of a North American number"


def _international(digits: str) -> tuple[bool, str]:
    code = next((digits[:n] for n in (1, 2, 3) if int(digits[:n]) in CALLING_CODES), None)
    if code is None:
        return False, f"no country has +{digits[:3]}"
    if not 8 <= len(digits) <= 15:
        return False, f"{len(digits)} digits, E.164 has 8 to 15"
    return True, f"country code +{code} and {len(digits)} digits"


def names(text: str) -> Iterator[Candidate]:
    """Names behind a title or a credit. Names in running text need a model of language."""
    for found in NAME.finditer(text):
        group = "two" if found["two"] else "one"
        yield *found.span(group), True, "a name behind a title or a credit"


# In the order in which they win: what a checksum proves comes before what a shape suggests.
RECOGNISERS: dict[str, Callable[[str], Iterator[Candidate]]] = {
    "email": emails,
    "iban": ibans,
    "card": cards,
    "ip": addresses,
    "phone": phones,
    "name": names,
}
