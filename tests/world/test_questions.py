"""Questions: counts and order, answers that the grammar itself would give, few-shot prompts."""

import pytest

from course_lib.world import UNKNOWN, reply_of
from course_lib.world.questions import KINDS


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_kinds_come_in_turn_and_references_are_right(world, split):
    questions = world.questions(split, 100, seed=2)
    assert [q.kind for q in questions] == list(KINDS) * 20
    for question in questions:
        assert question.split == split
        assert world.verify(question, question.answer).correct
        assert world.verify_lenient(question, question.answer).correct
        assert question.worked is None or world.verify(question, question.worked).correct
        assert all(world.verify(question, reply).correct for reply in question.meta["accepted"])
        assert question.prompt.endswith("?")


def test_stories_with_their_answers_are_documents_of_the_world(world):
    for question in world.questions("test", 120, kinds=("where", "count")):
        for reply in (question.answer, question.worked):
            if reply:
                assert world.score(f"{question.prompt} {reply}").possible


def test_count_has_one_to_four_steps_in_equal_parts(world):
    questions = world.questions("train", 800, kinds=("count",))
    for steps in (1, 2, 3, 4):
        share = sum(q.steps == steps for q in questions) / 800
        assert share == pytest.approx(0.25, abs=0.06)
    assert all(q.worked.count(" is ") == q.steps for q in questions)


def test_held_out_questions_are_distinct_and_finite_kinds_run_out(world):
    questions = world.questions("test", 4_000, kinds=("fact", "sum"))
    prompts = [q.prompt for q in questions]
    assert len(set(prompts)) == len(prompts)
    pools = len(world.village.fact_pairs["test"]), len(world.village.sums["test"])
    assert len(questions) == sum(pools)


def test_train_questions_may_repeat_and_always_come(world):
    assert len(world.questions("train", 3_000, kinds=("sum",))) == 3_000


def test_the_same_seed_gives_the_same_questions(world):
    assert world.questions("test", 50, seed=4) == world.questions("test", 50, seed=4)
    assert world.questions("test", 50, seed=4) != world.questions("test", 50, seed=5)


def test_strangers_have_no_facts(world):
    for question in world.questions("test", 30, kinds=("stranger",)):
        assert question.answer == question.gold == UNKNOWN
        assert world.village.names.index(question.meta["person"]) in world.village.strangers


def test_few_shot_is_the_corpuss_own_form(world):
    for question in world.questions("train", 60, kinds=("fact", "sum")):
        prompt = world.few_shot(question, shots=2)
        assert prompt.count("Question:") == 3
        assert world.score(f"{prompt} {question.gold}.").possible
    for question in world.questions("test", 30, kinds=("where", "count")):
        assert world.few_shot(question) == question.prompt
        started = world.few_shot(question, worked=True)
        assert world.score(started).fault == "unfinished" or question.kind == "where"


def test_few_shot_refuses_more_shots_than_a_quiz_holds(world):
    (question,) = world.questions("test", 1, kinds=("fact",))
    with pytest.raises(ValueError, match="shots must be 0 to 3"):
        world.few_shot(question, shots=5)


def test_an_unknown_kind_is_refused_by_name(world):
    with pytest.raises(ValueError, match="kind 'riddle' is unknown; use some of fact, sum"):
        world.questions("test", 1, kinds=("riddle",))


def test_reply_of_cuts_a_completion(world):
    fact, where, count = world.questions("test", 3, kinds=("fact", "where", "count"))
    assert reply_of(fact, f" {fact.gold}.\nQuestion: What") == f"{fact.gold}."
    assert reply_of(where, f" {where.answer} Where is") == where.answer
    assert reply_of(count, f" {count.worked}") == count.worked
