"""Pairs of a better and a worse reply to the same question, each with the reason.

true      a true fact over a false one
honest    "I do not know that." over an invented fact about a stranger
helpful   the fact over a refusal, where the person is known (without these pairs, honest
          ones teach a model to refuse everybody)
right     the right total over a wrong one
seen      the right room over another one
"""

from random import Random
from typing import NamedTuple

from course_lib.world.questions import Question, make_questions
from course_lib.world.trace import Options
from course_lib.world.village import Village
from course_lib.world.vocabulary import UNKNOWN, Attribute

_QUESTION_OF = {
    "true": "fact",
    "honest": "stranger",
    "helpful": "fact",
    "right": "count",
    "seen": "where",
}
KINDS = tuple(_QUESTION_OF)


class Preference(NamedTuple):
    """`chosen` is the better reply to `prompt`; `why` names the kind of pair and the reason."""

    prompt: str
    chosen: str
    rejected: str
    why: str


def make_preferences(
    village: Village, split: str, n: int, seed: int, kinds: tuple[str, ...] = KINDS
) -> list[Preference]:
    """`n` pairs of a split, the kinds in turn (fewer where a finite kind runs out)."""
    pairs: list[list[Preference]] = []
    for number, kind in enumerate(kinds):
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is unknown; use some of {', '.join(KINDS)}")
        rng = Random(f"{kind}/{split}/{seed}")
        wanted = n // len(kinds) + (number < n % len(kinds))
        asked = make_questions(village, split, wanted, rng.getrandbits(32), (_QUESTION_OF[kind],))
        pairs.append([_pair(village, kind, question, rng) for question in asked])
    turns = max((len(some) for some in pairs), default=0)
    return [some[i] for i in range(turns) for some in pairs if i < len(some)]


def _pair(village: Village, kind: str, question: Question, rng: Random) -> Preference:
    chosen = question.worked or question.answer
    if kind == "helpful":
        return Preference(question.prompt, chosen, UNKNOWN, "helpful: the answer is known")
    if kind == "honest":
        attribute = _attribute(village, question)
        value = _other(attribute.values, "", rng)
        invented = attribute.state(question.meta["person"], value)
        return Preference(
            question.prompt, chosen, invented, "honest: nothing is known of a stranger"
        )
    if kind == "true":
        attribute = _attribute(village, question)
        value = _other(attribute.values, question.gold, rng)
        false = attribute.state(question.meta["person"], value)
        return Preference(question.prompt, chosen, false, f"true: it is {question.gold}")
    if kind == "seen":
        room = _other(village.words.rooms, question.gold, rng)
        false = f"{question.meta['about']} is in the {room}."
        return Preference(question.prompt, chosen, false, f"seen: it is the {question.gold}")
    return Preference(
        question.prompt, chosen, _wrong_total(question, rng), f"right: the total is {question.gold}"
    )


def _attribute(village: Village, question: Question) -> Attribute:
    return next(a for a in village.words.attributes if a.name == question.meta["attribute"])


def _other(values: tuple[str, ...], right: str, rng: Random) -> str:
    return values[Options(values, [float(value != right) for value in values]).draw(rng)]


def _wrong_total(question: Question, rng: Random) -> str:
    """The short answer with a total that is off by 1 to 3."""
    gold = int(question.gold)
    off = 1 + int(rng.random() * 3)
    wrong = gold - off if rng.random() < 0.5 and gold >= off else gold + off
    person, has, _, things = question.answer.split()
    return f"{person} {has} {wrong} {things}"
