"""The words of the world: places, things, the five attributes of a person, and a maker of names."""

from dataclasses import dataclass
from itertools import count, product
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ROOMS = _words(
    "kitchen garden attic cellar library stable bakery chapel "
    "tower market mill harbour school orchard tavern forge"
)
OBJECTS = _words("key lamp book coin rope map bell cup ring drum letter basket")
ADJECTIVES = _words("red blue old new small brass")
THINGS = _words("plums eggs nuts pears shells beads stamps buttons")
OPENINGS = (
    "One rainy morning,",
    "One warm evening,",
    "Late at night,",
    "After lunch,",
    "Last winter,",
    "On market day,",
)
UNKNOWN = "I do not know that."


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One thing to know about a person: its values, two ways to say it and one way to ask."""

    name: str
    values: tuple[str, ...]
    phrases: tuple[str, str]
    question: str  # holds {name}
    after: str = "."  # what follows the value in a sentence

    def ask(self, name: str) -> str:
        return self.question.format(name=name)

    def state(self, name: str, value: str, phrase: int = 0) -> str:
        return f"{name} {self.phrases[phrase]} {value}{self.after}"


ATTRIBUTES = (
    Attribute(
        name="town",
        values=_words(
            "Oakby Fernham Tolmere Skelby Ashford Wrayton Dunmoor Elsworth "
            "Pelham Quarley Rothby Mossley Harbury Kelton Linden Stowe"
        ),
        phrases=("lives in", "has a house in"),
        question="Where does {name} live?",
    ),
    Attribute(
        name="job",
        values=_words(
            "baker smith miller weaver potter farmer singer painter "
            "doctor teacher sailor hunter tailor mason barber clerk"
        ),
        phrases=("works as a", "earns money as a"),
        question="What is the job of {name}?",
    ),
    Attribute(
        name="food",
        values=_words(
            "soup bread cheese honey rice fish cake beans "
            "apples onions carrots pancakes porridge noodles olives figs"
        ),
        phrases=("likes to eat", "is fond of"),
        question="What does {name} like to eat?",
    ),
    Attribute(
        name="pet",
        values=_words("cat dog goat hen horse rabbit parrot turtle mouse duck sheep donkey"),
        phrases=("has a pet", "takes care of a"),
        question="Which pet does {name} have?",
    ),
    Attribute(
        name="hat",
        values=_words("green black white yellow purple golden pink grey"),
        phrases=("wears a", "always puts on a"),
        question="Which hat does {name} wear?",
        after=" hat.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a world is told with, and how long its documents get. The course's is `Words()`; small
    ones can be enumerated (`studies/data/enumeration.py`)."""

    rooms: tuple[str, ...] = ROOMS
    objects: tuple[str, ...] = OBJECTS
    adjectives: tuple[str, ...] = ADJECTIVES
    things: tuple[str, ...] = THINGS
    openings: tuple[str, ...] = OPENINGS
    attributes: tuple[Attribute, ...] = ATTRIBUTES
    quiz_questions: int = 4  # at most, as below
    count_events: int = 4
    tale_events: int = 7


_FIRST = _words("Ba Da Fe Ga Ho Ja Ka Le Mi Na Pe Ra Si To Vi Zo Lu Ro")
_MIDDLE = _words("li ra mo ne du ki sa vo")
_LAST = _words("ben dar fin gus lan mir nor pim rik sen tam vel wyn zel lo na ri sha")


def make_names(n: int, rng: Random) -> list[str]:
    """`n` different names in random order; short names are used up before longer ones are made."""
    names: list[str] = []
    seen: set[str] = set()
    for middles in count():
        pool = ["".join(parts) for parts in product(_FIRST, *[_MIDDLE] * middles, _LAST)]
        pool = [name for name in dict.fromkeys(pool) if name not in seen]
        names += shuffled(pool, rng)
        seen.update(pool)
        if len(names) >= n:
            return names[:n]
    raise AssertionError("unreachable")


def shuffled(items: list, rng: Random) -> list:
    """A shuffled copy, drawn with `rng.random()` alone, so that no Python version changes it."""
    items = list(items)
    for i in range(len(items) - 1, 0, -1):
        j = int(rng.random() * (i + 1))
        items[i], items[j] = items[j], items[i]
    return items
