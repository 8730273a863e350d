"""score() gives the exact surprisal of what the world can say, and the reason for the rest."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.world import World

WORLD = World()


def test_score_is_the_surprisal_of_the_sample(world):
    for seed in range(300):
        document = world.sample(seed)
        score = world.score(document.text)
        assert score.possible
        assert score.reached == len(document.text)
        assert score.nats == pytest.approx(document.nats, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**48), at=st.floats(0, 1), letter=st.sampled_from("axQ7. ?"))
def test_no_text_makes_it_stumble(seed, at, letter):
    """Any single changed character gives either another possible text or a reason and a place."""
    document = WORLD.sample(seed)
    i = int(at * (len(document.text) - 1))
    text = document.text[:i] + letter + document.text[i + 1 :]
    score = WORLD.score(text)
    assert 0 <= score.reached <= len(text)
    assert (score.nats < inf) == (score.reason == "possible")
    assert score.possible or score.reached <= i + 1 or score.fault != "unfinished"


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60))
def test_arbitrary_text_is_impossible_and_says_so(text):
    score = WORLD.score(text)
    assert score.nats == inf
    assert score.fault in ("grammar", "unfinished", "fact")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**48), at=st.floats(0.02, 0.98))
def test_a_text_cut_short_is_unfinished_or_a_shorter_document(seed, at):
    document = WORLD.sample(seed)
    cut = document.text[: int(at * len(document.text))]
    score = WORLD.score(cut)
    assert score.possible or score.fault == "unfinished"
    assert score.possible or score.reached <= len(cut)


def plant(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1
    return text.replace(old, new, 1)


@pytest.fixture
def tale(world) -> str:
    a, b = world.village.names[5], world.village.names[6]
    return (
        f"After lunch, {a} was in the attic and {b} was in the mill. The red key was in the attic. "
        f"{a} took the red key. So the key is in the attic. {a} went to the forge. "
        f"So the key is in the forge. Where is the red key? The red key is in the forge."
    )


@pytest.fixture
def story(world) -> str:
    a, b = world.village.names[5], world.village.names[6]
    return (
        f"{a} has 3 nuts. {b} brings 4 more. {b} takes 2 away. How many nuts does {a} have? "
        f"3 plus 4 is 7. 7 minus 2 is 5. {a} has 5 nuts."
    )


def test_planted_faults_in_a_tale(world, tale):
    a, b = world.village.names[5], world.village.names[6]
    assert world.score(tale).possible
    faults = [
        (f"{a} took", f"{b} took", "causality", "cannot be here"),  # b is elsewhere
        (f"{a} took", f"{a} dropped", "causality", "cannot be here"),  # nobody holds it
        ("went to the forge", "went to the attic", "causality", "cannot be here"),  # is there
        ("So the key is in the forge", "So the key is in the mill", "causality", "expected"),
        ("red key is in the forge", "red key is in the attic", "causality", "expected 'forge'"),
        ("took the red key", "took the blue key", "grammar", "expected"),
        ("So the key", "Then the key", "grammar", "expected"),
    ]
    for old, new, fault, reason in faults:
        broken = plant(tale, old, new)
        score = world.score(broken)
        assert (score.nats, score.fault) == (inf, fault), (new, score)
        assert reason in score.reason
        changed = next(i for i, (x, y) in enumerate(zip(tale, broken, strict=False)) if x != y)
        words = tale.rfind(" ", 0, changed)
        assert tale.rfind(".", 0, changed) <= score.reached <= changed, (words, score)


def test_planted_faults_in_a_counting_story(world, story):
    assert world.score(story).possible
    faults = [
        ("3 plus 4 is 7", "3 plus 4 is 8", "arithmetic", "expected '7'"),
        ("5 nuts.", "6 nuts.", "arithmetic", "expected '5'"),
        ("takes 2", "takes 8", "causality", "cannot be here"),  # there are only seven
        ("brings 4", "brings 12", "grammar", "found"),
        ("3 plus 4", "4 plus 3", "grammar", "expected"),
    ]
    for old, new, fault, reason in faults:
        score = world.score(plant(story, old, new))
        assert (score.nats, score.fault) == (inf, fault), (new, score)
        assert reason in score.reason


def test_planted_faults_in_a_biography(world):
    village = world.village
    name, she = village.names[0], village.is_she[0]
    he, she = ("She", "He") if she else ("He", "She")
    town, other = village.value(0, 0), village.values[0].texts[(village.facts[0][0] + 1) % 16]
    hat = village.value(0, 4)
    text = f"{name} lives in {town}. {he} wears a {hat} hat."
    assert world.score(text).possible
    assert world.score(plant(text, f" {town}", other)).fault == "fact"
    assert world.score(plant(text, he, she)).fault == "fact"
    assert world.score(plant(text, name, village.names[-1])).fault == "fact"  # a stranger
    assert world.score(plant(text, f" {town}", " London")).fault == "grammar"
    again = f"{name} lives in {town}. {he} has a house in {town}."
    assert not world.score(again).possible  # says the same thing twice
    assert world.score(text + " Yes.").reason.count("'the end of the document'")
    assert world.score(text[:-6]).fault == "unfinished"


def test_held_out_questions_are_impossible_and_named(world):
    village = world.village
    x, op, y = village.sums["test"][0]
    result = x + y if op == "plus" else x - y
    (train_x, train_op, train_y) = next(s for s in village.sums["train"] if s[1] == "plus")
    known = f"Question: What is {train_x} plus {train_y}?\nAnswer: {train_x + train_y}."
    asked = f"Question: What is {x} {op} {y}?\nAnswer: {result}."
    assert world.score(f"{known}\n{known}").possible
    assert world.score(f"{known}\n{asked}").fault == "held out"
    person, k = village.fact_pairs["test"][0]
    from course_lib.world.questions import fact_question

    question = fact_question(village, person, k, "test")
    fact = f"Question: {question.prompt}\nAnswer: {question.gold}."
    assert world.score(f"{known}\n{fact}").fault == "held out"


def test_a_hidden_ambiguity_would_be_summed(monkeypatch):
    """Two derivations of the same text: the score is the sum of their probabilities."""
    from math import log

    from course_lib.world import score as module

    def write(village, trace):
        if trace.toss(0.25):
            trace.say("same")
        else:
            trace.toss(0.5)
            trace.say("same")
        trace.end()

    monkeypatch.setattr(module, "write", write)
    assert module.score(WORLD.village, "same").nats == pytest.approx(-log(1.0), abs=1e-12)
