"""Junk to plant into a corpus, so that a filter's misses and false alarms can be counted.

Seven kinds that a crawl is full of, each made by a few lines of ours from a seed. They are the
plain forms: real junk is more inventive, so a filter that fails here fails on the web too, and one
that passes has only begun.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from course_lib.data.filtering.language_samples import SAMPLES
from course_lib.data.records import Record

MENU = (
    "Home",
    "About us",
    "Contact",
    "Log in",
    "Sign up",
    "My account",
    "Basket (0)",
    "Help",
    "Privacy policy",
    "Terms of use",
    "Cookie settings",
    "Follow us",
    "Newsletter",
    "Site map",
)
NOTICES = (
    "This site uses cookies to give you the best experience.",
    "Please enable Javascript in your browser to see this page.",
    "By using this site you agree to our terms of use and privacy policy.",
    "© 2026 All rights reserved.",
    "Click here to subscribe to our newsletter!",
    "Share this on your favourite network.",
    "You have no items in your basket.",
)
GOODS = (
    "shoes",
    "watches",
    "tickets",
    "loans",
    "phones",
    "laptops",
    "holidays",
    "insurance",
    "flowers",
    "sofas",
    "vitamins",
    "sunglasses",
)
PRAISE = (
    "cheap",
    "best",
    "buy",
    "discount",
    "top rated",
    "free shipping",
    "online",
    "near me",
    "2026",
    "sale",
    "price",
    "deals",
    "coupon",
    "official",
)
ROWS = ("asdfghjkl", "qwertyuiop", "zxcvbnm", "sdfjkl", "1234567890")


def boilerplate(random: Random, prose: Sequence[str]) -> str:
    """A page's frame without its content: menu entries and notices, some of them twice."""
    parts = random.choices(MENU, k=random.randint(18, 40))
    parts += random.choices(NOTICES, k=random.randint(3, 7))
    random.shuffle(parts)
    return "\n".join(parts)


def keyboard_mash(random: Random, prose: Sequence[str]) -> str:
    """Fingers wandering along the rows of a keyboard."""

    def word() -> str:
        row = random.choice(ROWS)
        return "".join(random.choice(row) for _ in range(random.randint(2, 12)))

    return " ".join(word() for _ in range(random.randint(60, 160)))


def keyword_list(random: Random, prose: Sequence[str]) -> str:
    """Search bait: goods and praise in every order."""
    goods = random.sample(GOODS, 3)
    phrases = [
        f"{random.choice(PRAISE)} {random.choice(goods)} {random.choice(PRAISE)}"
        for _ in range(random.randint(25, 60))
    ]
    return random.choice((", ", " | ", "\n")).join(phrases)


def other_language(random: Random, prose: Sequence[str]) -> str:
    """Sentences of one language that isn't English."""
    texts = SAMPLES[random.choice([language for language in SAMPLES if language != "en"])]
    return " ".join(random.sample(texts, random.randint(5, 8)))


def shuffled_words(random: Random, prose: Sequence[str]) -> str:
    """A real text whose words have lost their order: every count is right, nothing is said."""
    words = random.choice(prose).split()[:200]
    random.shuffle(words)
    return " ".join(words)


def stuck_record(random: Random, prose: Sequence[str]) -> str:
    """One real sentence over and over."""
    words = random.choice(prose).split()
    start = random.randrange(max(1, len(words) - 15))
    return " ".join(words[start : start + random.randint(6, 14)] * random.randint(8, 25))


def table_of_numbers(random: Random, prose: Sequence[str]) -> str:
    """Rows of figures that a table lost its headings from."""
    return "\n".join(
        "\t".join(f"{random.uniform(0, 10_000):.2f}" for _ in range(6))
        for _ in range(random.randint(12, 40))
    )


MAKERS: dict[str, Callable[[Random, Sequence[str]], str]] = {
    "boilerplate": boilerplate,
    "keyboard mash": keyboard_mash,
    "keyword list": keyword_list,
    "other language": other_language,
    "shuffled words": shuffled_words,
    "stuck record": stuck_record,
    "table of numbers": table_of_numbers,
}


def junk(prose: Sequence[str], n: int, seed: int = 0) -> Iterator[Record]:
    """`n` documents of junk, the kinds in turn. `prose` lends its words to two of the kinds."""
    if not prose:
        raise ValueError("prose is empty: shuffled words need words to shuffle")
    random = Random(seed)
    for i in range(n):
        kind = list(MAKERS)[i % len(MAKERS)]
        text = MAKERS[kind](random, prose)
        yield Record(f"junk/{seed}-{i}", text, "junk", "MIT", kind)
