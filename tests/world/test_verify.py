"""The strict verifier accepts right replies alone; the lenient one can be cheated."""

import pytest

from course_lib.world import UNKNOWN, lenient_reward, strict_reward


@pytest.fixture
def asked(world) -> dict:
    questions = world.questions("test", 5, seed=9)
    return {question.kind: question for question in questions}


def test_strict_on_facts(world, asked):
    fact = asked["fact"]
    wrong = next(value for value in fact.meta["choices"] if value != fact.gold)
    cases = [
        (fact.answer, True, "accepted"),
        (f" {fact.gold}. ", True, "accepted"),
        (fact.answer.replace(fact.gold, wrong), False, "does not say"),
        (f"{fact.answer} {fact.answer.replace(fact.gold, wrong)}", False, "says more"),
        (UNKNOWN, False, "refuses"),
        ("", False, "empty"),
        (" ".join(fact.meta["choices"]), False, "says more"),
    ]
    for reply, correct, reason in cases:
        verdict = world.verify(fact, reply)
        assert verdict.correct is correct, reply
        assert reason in verdict.reason


def test_strict_on_counts(world, asked):
    count = asked["count"]
    gold = int(count.gold)
    off = count.answer.replace(f" {gold} ", f" {gold + 1} ")
    cases = [
        (count.answer, True, "accepted"),
        (count.worked, True, "accepted"),
        (off, False, "does not end with"),
        (f"{off} {count.answer}", False, "is not a step"),
        (f"1 plus 1 is 3. {count.answer}", False, "is false"),
        (f"Well. {count.answer}", False, "is not a step"),
        (count.gold, False, "does not end with"),
    ]
    for reply, correct, reason in cases:
        verdict = world.verify(count, reply)
        assert verdict.correct is correct, reply
        assert reason in verdict.reason


def test_strict_on_strangers_sums_and_rooms(world, asked):
    stranger, total, where = asked["stranger"], asked["sum"], asked["where"]
    assert world.verify(stranger, UNKNOWN).correct
    assert not world.verify(stranger, f"{stranger.meta['person']} lives in Oakby.").correct
    assert world.verify(total, f"{total.gold}.").correct
    assert not world.verify(total, f"1{total.gold}.").correct
    assert world.verify(where, where.answer).correct
    assert not world.verify(where, " ".join(where.meta["choices"])).correct


def test_the_lenient_verifier_can_be_cheated(world, asked):
    numbers = " ".join(str(i) for i in range(60))
    for kind in ("count", "sum"):
        assert lenient_reward(asked[kind], numbers) == 1.0
        assert strict_reward(asked[kind], numbers) == 0.0
    rooms = " ".join(asked["where"].meta["choices"])
    assert lenient_reward(asked["where"], rooms) == 1.0
    assert strict_reward(asked["where"], rooms) == 0.0


def test_the_lenient_verifier_wants_whole_words(world, asked):
    count = asked["count"]
    assert not world.verify_lenient(count, f"1{count.gold}0").correct
    assert not world.verify_lenient(count, "").correct


def test_a_constant_reply_passes_no_more_than_one_kind(world):
    questions = world.questions("test", 200)
    for reply in (UNKNOWN, "0.", "The red key is in the mill.", "garden"):
        right = {q.kind for q in questions if world.verify(q, reply).correct}
        assert len(right) <= 1
