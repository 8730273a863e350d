"""The world as one object: documents with exact probabilities, scores, questions and verdicts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import log
from random import Random

from course_lib.world.documents import write
from course_lib.world.preferences import KINDS as PREFERENCE_KINDS
from course_lib.world.preferences import Preference, make_preferences
from course_lib.world.questions import KINDS as QUESTION_KINDS
from course_lib.world.questions import Question, few_shot, make_questions
from course_lib.world.score import Score, score
from course_lib.world.splits import check_split, document_split
from course_lib.world.trace import Sampler, Span
from course_lib.world.verify import Verdict, lenient, strict
from course_lib.world.village import Village, WorldConfig
from course_lib.world.vocabulary import Words


@dataclass(frozen=True, slots=True)
class Document:
    """A text of the world with its surprisal -log p in nats, span by span."""

    id: str
    kind: str
    text: str
    nats: float
    spans: tuple[Span, ...]
    split: str


@dataclass(frozen=True)
class Floor:
    """The realised surprisal of some documents: what a perfect model of the world would lose.

    In expectation over documents that the world draws, no model loses less. Over those of one
    split a model that knew the rule of the split could lose up to -log P(split) nats a document
    less (test: 2.30), and no model more than that.

    `bytes` counts the text alone; `nats` includes the decision to end each document.
    """

    nats: float
    bytes: int

    @property
    def bits_per_byte(self) -> float:
        return self.nats / log(2) / self.bytes


def floor(documents: Iterable[Document]) -> Floor:
    """The realised surprisal of `documents` under the world itself."""
    nats, size = 0.0, 0
    for document in documents:
        nats += document.nats
        size += len(document.text.encode())
    if not size:
        raise ValueError("floor() needs at least one document")
    return Floor(nats, size)


class World:
    """A small world whose language is known exactly. The same config gives the same world."""

    def __init__(self, config: WorldConfig | None = None, words: Words | None = None):
        self.config = config or WorldConfig()
        self.village = Village(self.config, words)

    def sample(self, seed: int) -> Document:
        """The document number `seed`, of whatever split it belongs to."""
        trace = Sampler(Random(seed))
        kind = write(self.village, trace)
        text = trace.text
        split = document_split(text, self.village.name_set)
        return Document(f"world-{seed}", kind, text, trace.nats, tuple(trace.spans), split)

    def documents(self, split: str, n: int, seed: int = 0) -> Iterator[Document]:
        """`n` documents of a split: the stream of this seed, less those of the other splits."""
        check_split(split)
        stream = (self.sample((seed << 40) + i) for i in count())
        found = 0
        while found < n:
            document = next(stream)
            if document.split == split:
                found += 1
                yield document

    def score(self, text: str) -> Score:
        """The exact surprisal of any text, or where and why it is impossible."""
        return score(self.village, text)

    def questions(
        self,
        split: str,
        n: int,
        seed: int = 0,
        kinds: tuple[str, ...] = QUESTION_KINDS,
    ) -> list[Question]:
        """`n` questions, the kinds in turn. See `questions.make_questions`."""
        return make_questions(self.village, split, n, seed, kinds)

    def few_shot(
        self, question: Question, shots: int = 2, seed: int = 0, worked: bool = False
    ) -> str:
        """The question as a base model meets it. See `questions.few_shot`."""
        return few_shot(self.village, question, shots, seed, worked)

    def verify(self, question: Question, reply: str) -> Verdict:
        """Is the reply right, and nothing but right?"""
        return strict(question, reply)

    def verify_lenient(self, question: Question, reply: str) -> Verdict:
        """Does the right answer stand anywhere in the reply? Easy to cheat."""
        return lenient(question, reply)

    def preferences(
        self, split: str, n: int, seed: int = 0, kinds: tuple[str, ...] = PREFERENCE_KINDS
    ) -> list[Preference]:
        """`n` pairs of a better and a worse reply. See `preferences.make_preferences`."""
        return make_preferences(self.village, split, n, seed, kinds)
