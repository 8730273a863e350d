"""Is p a probability, and the one that is drawn from? Small worlds, all of whose texts are listed.

Two checks that share no sum with the code they look at:

    mass         sum over all texts of exp(log p(text)) = 1
    frequencies  over n samples, the sum over texts of (count - n p)^2 / (n p) is about the number
                 of texts less one, with a standard deviation of sqrt(2 (texts - 1))

The mass sees an option that is counted twice, left out, free of cost or not renormalised. It
doesn't see weights that are wrong but sum to 1; the frequencies do, as far as n samples tell. Both
run the grammar of `world/documents.py` with few words, so neither sees a table that is wrong in the
large world alone, nor a habit that isn't what was meant: sampler and score would share it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import exp, sqrt
from typing import NamedTuple, no_type_check

from course_lib.world.documents import write
from course_lib.world.trace import Options, Trace
from course_lib.world.village import KINDS, Village, WorldConfig
from course_lib.world.vocabulary import Attribute, Words
from course_lib.world.world import World

_LEAST = 5.0  # expected count of a text that is judged alone; rarer ones are judged together


def small_worlds() -> dict[str, World]:
    """For each kind of document a world that writes it alone, in a few thousand texts at most."""
    words = Words(
        rooms=("mill", "forge"),
        objects=("key",),
        adjectives=("red",),
        things=("nuts",),
        openings=("After lunch,",),
        attributes=(
            Attribute(
                name="town",
                values=("Oakby", "Stowe"),
                phrases=("lives in", "has a house in"),
                question="Where does {name} live?",
            ),
            Attribute(
                name="pet",
                values=("cat", "dog"),
                phrases=("has a pet", "takes care of a"),
                question="Which pet does {name} have?",
            ),
            Attribute(
                name="hat",
                values=("green", "white"),
                phrases=("wears a", "always puts on a"),
                question="Which hat does {name} wear?",
                after=" hat.",
            ),
        ),
        quiz_questions=3,
        count_events=2,
        tale_events=2,
    )
    sizes = {
        "people": 2,
        "strangers": 1,
        "zipf_offset": 1,
        "max_start": 2,
        "max_step": 2,
        "seed": 1,  # one of its seven sums and two of its six facts are held out
    }
    return {
        kind: World(WorldConfig(mix=tuple(float(kind == k) for k in KINDS), **sizes), words)
        for kind in KINDS
    }


@no_type_check
class _Lister(Trace):
    """Takes the choices of `path`, and at its end the first of each; knows no probability."""

    def __init__(self, path: list[list]):
        super().__init__()
        self.path, self.depth = path, 0

    def _choose(self, choices: Sequence[int]) -> int:
        if self.depth == len(self.path):
            self.path.append([0, choices])
        number, choices = self.path[self.depth]
        self.depth += 1
        return choices[number]

    def say(self, text: str, tag: str = "form") -> None:
        self._record(text, tag, 0.0)

    def pick(self, options: Options, tag: str = "form", but: int | None = None) -> int:
        i = self.hide(options, but)
        self._record(options.texts[i], tag, 0.0)
        return i

    def hide(self, options: Options, but: int | None = None) -> int:
        every = range(len(options.texts))
        return self._choose([i for i in every if i != but and options.weight(i) > 0])

    def toss(self, p: float, name: str = "") -> bool:
        return self._choose([1, 0]) == 1

    def tell(self, options: Options, i: int, tag: str) -> None:
        self._record(options.texts[i], tag, 0.0)


def derivations(village: Village) -> Iterator[str]:
    """The text of every way through the grammar: all choices of positive weight, in turn."""
    path: list[list] = []
    while True:
        trace = _Lister(path)
        write(village, trace)
        yield trace.text
        while path and path[-1][0] == len(path[-1][1]) - 1:
            path.pop()
        if not path:
            return
        path[-1][0] += 1


class Check(NamedTuple):
    """What was found of one world. `excess`: how many standard deviations the frequencies are
    further from p than chance has them; `strange`: samples that no derivation gives."""

    derivations: int
    texts: int
    mass: float
    excess: float
    strange: int


def check(world: World, samples: int = 20_000) -> Check:
    """Lists the world's texts, adds up exp(log p), and compares `samples` documents with it."""
    listed = Counter(derivations(world.village))
    p = {text: exp(-world.score(text).nats) for text in listed}
    counts = Counter(world.sample(seed).text for seed in range(samples))
    strange = sum(n for text, n in counts.items() if text not in p)
    cells, rare = [], [0.0, 0.0]
    for text, chance in p.items():
        if samples * chance >= _LEAST:
            cells.append((counts[text], samples * chance))
        else:
            rare = [rare[0] + counts[text], rare[1] + samples * chance]
    if rare[1] > 0:
        cells.append(tuple(rare))
    distance = sum((count - mean) ** 2 / mean for count, mean in cells)
    free = max(len(cells) - 1, 1)
    excess = (distance - free) / sqrt(2 * free)
    return Check(listed.total(), len(listed), sum(p.values()), excess, strange)
