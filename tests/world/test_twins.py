"""Twins: held-out questions that stand in the training text under other names and things."""

import pytest

from course_lib.world import Question, World
from course_lib.world.exam import Mark
from course_lib.world.splits import skeleton
from course_lib.world.twins import Seen, outline, twin_gap, twin_rows

WORLD = World()
VILLAGE = WORLD.village
A, B, C = VILLAGE.names[:3]


def story(name: str, other: str, things: str, last: int = 4) -> str:
    return f"{name} has 3 {things}. {other} brings {last} more. How many {things} does {name} have?"


def test_an_outline_forgets_people_and_things_and_keeps_numbers_and_order():
    assert outline(VILLAGE, story(A, B, "nuts")) == outline(VILLAGE, story(C, A, "plums"))
    assert outline(VILLAGE, story(A, B, "nuts")) != outline(VILLAGE, story(A, B, "nuts", last=5))
    told = f"After lunch, {A} was in the mill. The red key was in the forge. Where is {A}?"
    again = f"One warm evening, {B} was in the mill. The old cup was in the forge. Where is {B}?"
    assert outline(VILLAGE, told) == outline(VILLAGE, again)
    assert outline(VILLAGE, told) != outline(VILLAGE, told.replace("forge", "tower"))
    assert outline(VILLAGE, told) == "_ _ was in the mill. The _ _ was in the forge. Where is _?"


def test_a_twin_needs_no_equal_skeleton():
    """The split's own definition calls these two stories different; the outline doesn't."""
    question = Question("count", story(A, B, "nuts"), f"{A} has 7 nuts.", "7", "test", 1)
    text = story(B, C, "eggs") + f" 3 plus 4 is 7. {B} has 7 eggs."
    assert skeleton(question.prompt, VILLAGE.name_set) != skeleton(text, VILLAGE.name_set)
    seen = Seen.of(VILLAGE, [text])
    assert seen.has_twin(question)
    assert seen.sums == {"3 plus 4": 1}
    assert not Seen.of(VILLAGE, [text.replace("brings 4", "brings 5")]).has_twin(question)


def test_sums_have_twins_in_worked_stories_alone():
    asked = Question("sum", "What is 3 plus 4?", "3 plus 4 is 7.", "7", "test", 1)
    quiz = "Question: What is 3 plus 4?\nAnswer: 7.\nQuestion: What is 1 plus 1?\nAnswer: 2."
    assert not Seen.of(VILLAGE, [quiz]).has_twin(asked)
    assert Seen.of(VILLAGE, [story(A, B, "nuts") + " 3 plus 4 is 7."]).has_twin(asked)
    fact = WORLD.questions("test", 1, kinds=("fact",))[0]
    with pytest.raises(ValueError, match="kind 'fact' has no twins"):
        Seen.of(VILLAGE, []).has_twin(fact)


def test_the_split_leaves_twins_among_many_documents():
    """0 by the skeleton, and not 0 by the outline: both figures belong on a page."""
    train = [d.text for d in WORLD.documents("train", 4_000)]
    seen = Seen.of(VILLAGE, train)
    names = VILLAGE.name_set
    shapes = {skeleton(text, names) for text in train}
    counts = WORLD.questions("test", 100, kinds=("count",))
    assert not any(skeleton(q.prompt, names) in shapes for q in counts)
    assert sum(map(seen.has_twin, counts)) > 10


def marks_of(pattern: str, steps: int, things: str) -> list[Mark]:
    question = Question("count", story(A, B, things), f"{A} has 7 {things}.", "7", "test", steps)
    return [Mark(question, "", letter == "1", "") for letter in pattern]


def test_the_gap_compares_stories_of_equally_many_events():
    """Easy stories have twins and are right, hard ones neither: no gap at equal steps."""
    seen = Seen.of(VILLAGE, [story(A, B, "nuts")])
    far = [
        Mark(
            Question("count", story(A, B, "nuts", 9), "", "12", "test", m.question.steps),
            "",
            m.correct,
            "",
        )
        for m in [*marks_of("1" * 5, 1, "nuts"), *marks_of("0" * 40, 4, "nuts")]
    ]
    easy = marks_of("1" * 40, 1, "nuts") + marks_of("0" * 5, 4, "nuts")
    gap = twin_gap(seen, easy + far)
    assert gap.twin.rate > 0.8 and gap.alone.rate < 0.2
    assert gap.p == 1.0
    real = marks_of("1" * 30 + "0" * 2, 2, "nuts") + [
        Mark(Question("count", story(A, B, "nuts", 9), "", "12", "test", 2), "", i % 2 == 0, "")
        for i in range(32)
    ]
    assert twin_gap(seen, real).p < 0.01


def test_rows_say_where_there_is_nothing_to_compare():
    rows = twin_rows(Seen.of(VILLAGE, []), marks_of("110", 2, "nuts"))
    assert [row["kind"] for row in rows] == ["count"]
    assert rows[0]["with a twin in train"] == "0 of 3"
    assert (rows[0]["right, with"], rows[0]["p at equal steps"]) == ("–", "–")
