"""Who lives in the world and what is true of them, and the tables the grammar chooses from."""

from dataclasses import asdict, dataclass
from functools import cached_property
from math import log2
from random import Random

from course_lib.world.splits import fact_split, stranger_split, sum_split
from course_lib.world.trace import Options
from course_lib.world.vocabulary import Words, make_names

KINDS = ("bio", "tale", "count", "quiz")
OPERATIONS = ("plus", "minus")
NUMBERS = Options([f" {i}" for i in range(200)], fault="arithmetic")


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """Size and habits of the world. Person i is met with probability proportional to
    1 / (i + zipf_offset) ** zipf in biographies and quizzes, uniformly in stories."""

    seed: int = 0
    people: int = 192
    strangers: int = 96
    zipf: float = 1.0
    zipf_offset: int = 8
    mix: tuple[float, float, float, float] = (0.30, 0.27, 0.29, 0.14)  # of KINDS
    max_start: int = 20
    max_step: int = 9

    def __post_init__(self):
        if not 2 <= self.people <= 65_536:
            raise ValueError(f"people must be 2 to 65536, not {self.people}")
        if self.strangers < 1:
            raise ValueError(f"strangers must be at least 1, not {self.strangers}")
        if len(self.mix) != 4 or min(self.mix) < 0 or sum(self.mix) <= 0:
            raise ValueError(f"mix must be 4 weights >= 0 with a positive sum, not {self.mix}")
        if not 1 <= self.max_step <= self.max_start <= 99:
            raise ValueError(
                f"need 1 <= max_step <= max_start <= 99, not {self.max_step}, {self.max_start}"
            )

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "WorldConfig":
        return cls(**{**values, "mix": tuple(values["mix"])} if "mix" in values else values)


class Village:
    """The state that no document changes: names, facts, and which questions are held out."""

    def __init__(self, config: WorldConfig, words: Words | None = None):
        self.config = config
        self.words = words = words or Words()
        rng = Random(config.seed)
        names = make_names(config.people + config.strangers, rng)
        self.names = names
        self.people = range(config.people)
        self.strangers = range(config.people, len(names))
        self.name_set = frozenset(names)
        self.facts = [
            [int(rng.random() * len(a.values)) for a in words.attributes] for _ in self.people
        ]
        self.is_she = [rng.random() < 0.5 for _ in self.people]
        self.weights = [1 / (i + config.zipf_offset) ** config.zipf for i in self.people]
        self._phrase_options: dict[int, Options] = {}
        self._subject_options: dict[int, Options] = {}
        self._room_options: dict[tuple[int, ...], Options] = {}
        self.kinds = Options(KINDS, config.mix)
        self.actors = Options([f" {name}" for name in names])
        self.first_actors = Options(names)
        nobody = [0.0] * config.strangers
        self.known_people = Options(names, self.weights + nobody, fault="fact")
        self.values = [Options([f" {v}" for v in a.values], fault="fact") for a in words.attributes]
        self.openings = Options(words.openings)
        self.adjectives = Options([f" The {adjective}" for adjective in words.adjectives])
        self.objects = Options([f" {thing}" for thing in words.objects])
        self.things = Options([f" {thing}" for thing in words.things])
        self.asks = Options([" " + a.question.split(" {name}")[0] for a in words.attributes])

    def value(self, person: int, attribute: int) -> str:
        return self.words.attributes[attribute].values[self.facts[person][attribute]]

    @cached_property
    def fact_bits(self) -> float:
        """Bits needed to write down every fact of the world."""
        return len(self.people) * sum(log2(len(a.values)) for a in self.words.attributes)

    # --- which questions belong to which split -----------------------------------------------

    @cached_property
    def fact_pairs(self) -> dict[str, list[tuple[int, int]]]:
        """(person, attribute) pairs of each split."""
        pairs: dict[str, list[tuple[int, int]]] = {"train": [], "validation": [], "test": []}
        for person in self.people:
            for k, attribute in enumerate(self.words.attributes):
                pairs[fact_split(self.names[person], attribute.name)].append((person, k))
        return pairs

    @cached_property
    def sums(self) -> dict[str, list[tuple[int, str, int]]]:
        """Sums (x, operation, y) of each split; differences are never negative."""
        sums: dict[str, list[tuple[int, str, int]]] = {"train": [], "validation": [], "test": []}
        for x in range(1, self.config.max_start + 1):
            for op in OPERATIONS:
                top = self.config.max_step if op == "plus" else min(self.config.max_step, x)
                for y in range(1, top + 1):
                    sums[sum_split(x, op, y)].append((x, op, y))
        return sums

    @cached_property
    def stranger_names(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
        for i in self.strangers:
            names[stranger_split(self.names[i])].append(self.names[i])
        return names

    # --- option tables, each made once ---------------------------------------------------------

    @cached_property
    def quiz_people(self) -> list[Options]:
        """For each attribute, whom the corpus asks about: known people whose pair is in train."""
        train = set(self.fact_pairs["train"])
        texts = [f" {name}" for name in self.names]
        nobody = [0.0] * len(self.strangers)
        return [
            Options(
                texts,
                [w if (p, k) in train else 0.0 for p, w in enumerate(self.weights)] + nobody,
                fault="held out",
            )
            for k in range(len(self.words.attributes))
        ]

    @cached_property
    def quiz_sums(self) -> tuple[Options, list[Options], dict[tuple[int, str], Options]]:
        """Options for x, for the operation given x, and for y given both, over train sums only."""
        train = set(self.sums["train"])
        ys = range(1, self.config.max_step + 1)
        second: dict[tuple[int, str], Options] = {}
        first, operations = [], []
        for x in range(1, self.config.max_start + 1):
            for op in OPERATIONS:
                weights = [float((x, op, y) in train) for y in ys]
                if any(weights):
                    second[x, op] = Options([f" {y}" for y in ys], weights, fault="held out")
            allowed = [float((x, op) in second) for op in OPERATIONS]
            first.append(float(any(allowed)))
            texts = [f" {op}" for op in OPERATIONS]
            operations.append(Options(texts, allowed if any(allowed) else None, fault="held out"))
        texts = [f" {x}" for x in range(1, self.config.max_start + 1)]
        return Options(texts, first, fault="held out"), operations, second

    @cached_property
    def start_numbers(self) -> Options:
        return Options([f" {x}" for x in range(1, self.config.max_start + 1)])

    @cached_property
    def step_numbers(self) -> list[Options]:
        """Entry h: the numbers 1 to h; taking more than there is breaks causality."""
        ys = range(1, self.config.max_step + 1)
        texts = [f" {y}" for y in ys]
        return [
            Options(texts, [float(y <= max(h, 1)) for y in ys], fault="causality")
            for h in range(self.config.max_step + 1)
        ]

    def phrase_options(self, left: int) -> Options:
        """Ways to state an attribute of the bit set `left`: entry 2k + j is phrase j of k."""
        if left not in self._phrase_options:
            texts = [f" {phrase}" for a in self.words.attributes for phrase in a.phrases]
            weights = [float(left >> (i // 2) & 1) for i in range(len(texts))]
            self._phrase_options[left] = Options(texts, weights)
        return self._phrase_options[left]

    def subject_options(self, person: int) -> Options:
        """How the second and later sentences of a biography begin."""
        if person not in self._subject_options:
            she = self.is_she[person]
            texts = [" She", " He", f" {self.names[person]}"]
            weights = [0.7 * she, 0.7 * (not she), 0.3]
            self._subject_options[person] = Options(texts, weights, fault="fact")
        return self._subject_options[person]

    def room_options(self, near: tuple[int, ...] = ()) -> Options:
        """Rooms; with `near`, probability 0.7 goes to the rooms where somebody is."""
        if near not in self._room_options:
            rooms, spread = self.words.rooms, 0.3 if near else 1.0
            weights = [
                spread / len(rooms) + 0.7 * near.count(r) / max(len(near), 1)
                for r in range(len(rooms))
            ]
            texts = [f" {room}" for room in rooms]
            self._room_options[near] = Options(texts, weights, fault="causality")
        return self._room_options[near]
