"""The strict verifier accepts the replies of its stated grammar and nothing else, by generation.

The grammar of `verify.py` is written here a second time, as a regular expression made from what a
question is about. Replies are generated from the pieces that replies are made of, and right ones
are bent by small edits; the verifier must agree with the expression on all of them.
"""

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from course_lib.world import UNKNOWN, Question, World
from course_lib.world.questions import KINDS, fact_question, sum_question
from course_lib.world.vocabulary import ATTRIBUTES

WORLD = World()
ASKED = [q for split in ("train", "test") for q in WORLD.questions(split, 40, seed=3)]
COUNT = next(q for q in ASKED if q.kind == "count" and q.steps == 2)


def grammar(question: Question) -> re.Pattern:
    """The accepted replies, white space collapsed; an optional full stop ends each."""
    gold = question.gold
    if question.kind == "fact":
        attribute = next(a for a in ATTRIBUTES if a.name == question.meta["attribute"])
        person = WORLD.village.names.index(question.meta["person"])
        pronoun = "She" if WORLD.village.is_she[person] else "He"
        wordings = "|".join(attribute.phrases)
        hat = " hat" if attribute.name == "hat" else ""
        body = f"(?:{question.meta['person']}|{pronoun}) (?:{wordings}) {gold}{hat}|{gold}"
    elif question.kind == "sum":
        x, op, y = re.fullmatch(r"What is (\d+) (\w+) (\d+)\?", question.prompt).groups()
        body = f"(?:{x} {op} {y} is |It is )?{gold}"
    elif question.kind == "where":
        (about,) = re.findall(r"Where is (.+)\?", question.prompt)
        body = f"{about[0].upper()}{about[1:]} is in the {gold}|(?:[Ii]n the )?{gold}"
    elif question.kind == "count":
        body = f"(?:{steps_of(question)})?{statement_of(question)}"
    else:
        body = re.escape(UNKNOWN[:-1])
    return re.compile(f"(?:{body})\\.?")


def steps_of(question: Question) -> str:
    """The sums of a counting story, read off the story itself."""
    total = int(re.search(r" has (\d+) ", question.prompt)[1])
    text = ""
    for verb, y in re.findall(r" (brings|takes) (\d+) ", question.prompt):
        after = total + int(y) if verb == "brings" else total - int(y)
        text += f"{total} {'plus' if verb == 'brings' else 'minus'} {y} is {after}. "
        total = after
    return re.escape(text)


def statement_of(question: Question) -> str:
    things, person = re.search(r"How many (\w+) does (\w+) have", question.prompt).groups()
    return f"{person} has {question.gold} {things}"


def right_replies(question: Question) -> list[str]:
    """Every accepted reply, without and with its full stop."""
    return [stem + stop for stem in question.meta["accepted"] for stop in ("", ".")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_listed_replies_are_those_of_the_grammar(kind):
    counts = {"fact": 5, "sum": 3, "where": 4, "count": 2, "stranger": 1}
    for question in (q for q in ASKED if q.kind == kind):
        replies = right_replies(question)
        assert len(set(replies)) == 2 * counts[kind]
        for reply in replies:
            assert grammar(question).fullmatch(reply), reply
            assert WORLD.verify(question, reply).correct, reply
            assert WORLD.verify(question, "  " + reply.replace(" ", " \n ") + "\t").correct


def test_every_fact_and_every_sum_takes_each_of_its_wordings():
    village = WORLD.village
    for person in village.people:
        for k, attribute in enumerate(ATTRIBUTES):
            question = fact_question(village, person, k, "train")
            who, value = village.names[person], village.value(person, k)
            for phrase in attribute.phrases:
                said = f"{who} {phrase} {value}{attribute.after}"
                assert WORLD.verify(question, said).correct
                assert WORLD.verify(question, said.removesuffix(".")).correct
    for x, op, y in village.sums["test"]:
        question = sum_question(village, x, op, y, "test")
        for reply in (f"{x} {op} {y} is {question.gold}", f"It is {question.gold}"):
            assert WORLD.verify(question, reply).correct
            assert WORLD.verify(question, f"{reply}.").correct


@pytest.mark.parametrize(
    ("x", "op", "y", "reply", "correct"),
    [
        (18, "minus", 6, "It is 12", True),
        (18, "minus", 6, "18 minus 6 is 12", True),
        (18, "minus", 6, "12", True),
        (18, "minus", 6, "It is 12.", True),
        (18, "minus", 6, "12..", False),
        (18, "minus", 6, ".12", False),
        (18, "minus", 6, "012", False),
        (18, "minus", 6, "it is 12", False),
        (18, "minus", 6, "12 .", False),
        (18, "minus", 6, "18 minus 06 is 12.", False),
        (18, "minus", 6, "6 minus 18 is 12.", False),
        (18, "minus", 6, "१२", False),
    ],
)
def test_replies_to_a_sum(x, op, y, reply, correct):
    assert WORLD.verify(sum_question(WORLD.village, x, op, y, "test"), reply).correct is correct


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        (lambda worked, answer: "1 plus 1 is 2. " * 20 + answer, "not the story's"),
        (lambda worked, answer: "1 plus 1 is 2. " + worked, "not the story's"),
        (lambda worked, answer: worked.replace(". ", ".", 1), "is not a step"),
        (lambda worked, answer: "".join(worked.rsplit(" " + answer, 1)) + answer, "one full stop"),
        (lambda worked, answer: "... " + worked, "is not a step"),
        (lambda worked, answer: ". " + answer, "is not a step"),
        (lambda worked, answer: worked.replace(". ", ".. ", 1), "is not a step"),
        (lambda worked, answer: "05 plus 1 is 6. " + answer, "not the story's"),
        (lambda worked, answer: "0" + worked, "not the story's"),
        (lambda worked, answer: worked.split(". ", 1)[1], "not the story's"),
        (lambda worked, answer: worked.split(". ")[0] + ". " + answer, "leaves out"),
        (lambda worked, answer: worked + " " + answer, "is not a step"),
        (lambda worked, answer: worked[:-1] + "..", "does not end"),
        (lambda worked, answer: "9" * 5_000 + " plus 1 is 2. " + answer, "is not a step"),
    ],
)
def test_what_may_stand_before_the_answer_of_a_count(bend, reason):
    reply = bend(COUNT.worked, COUNT.answer)
    verdict = WORLD.verify(COUNT, reply)
    assert not verdict.correct
    assert reason in verdict.reason


def test_a_true_total_by_steps_that_are_not_the_story_is_refused():
    first, second, _ = COUNT.worked.split(". ", 2)
    assert not WORLD.verify(COUNT, f"{second}. {first}. {COUNT.answer}").correct


@st.composite
def replies(draw) -> tuple[Question, str]:
    """A question and a reply: pieces of right ones in any order, or a right one with an edit."""
    question = draw(st.sampled_from(ASKED))
    right = right_replies(question)
    pieces = sorted({piece for reply in right for piece in re.findall(r"\w+|\.", reply)})
    joined = st.lists(st.sampled_from([*pieces, " ", " ", "0", "1", "\n"]), max_size=14)
    if draw(st.booleans()):
        return question, draw(st.sampled_from(["", " "])).join(draw(joined))
    reply = draw(st.sampled_from(right))
    at = draw(st.integers(0, len(reply)))
    cut = draw(st.integers(0, 2))
    put = draw(st.sampled_from(["", " ", ".", "0", "1", *pieces, *(r + " " for r in right)]))
    return question, reply[:at] + put + reply[at + cut :]


@settings(max_examples=400, deadline=None)
@given(replies())
@example((COUNT, COUNT.worked))
def test_the_verifier_and_the_stated_grammar_agree(asked):
    question, reply = asked
    said = " ".join(reply.split())
    assert WORLD.verify(question, reply).correct is bool(grammar(question).fullmatch(said))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ASKED), st.sampled_from(ASKED), st.data())
def test_a_reply_to_another_question_counts_only_where_it_says_the_same(question, other, data):
    assume(question != other)
    reply = data.draw(st.sampled_from(right_replies(other)))
    verdict = WORLD.verify(question, reply)
    assert verdict.correct is bool(grammar(question).fullmatch(reply))
    assert verdict.reason
