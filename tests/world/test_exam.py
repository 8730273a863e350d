"""Marks and intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.world import accuracy, exam, mark, wilson


def test_wilson_worked_by_hand():
    """8 of 10: (0.8 + 0.192 ± 1.96 sqrt(0.016 + 0.0096)) / 1.384, as in Newcombe's tables."""
    found = wilson(8, 10)
    assert (found.rate, found.correct, found.n) == (0.8, 8, 10)
    assert found.low == pytest.approx(0.4902, abs=5e-5)
    assert found.high == pytest.approx(0.9433, abs=5e-5)
    assert str(found) == "0.800 [0.490, 0.943]"


def test_wilson_equals_statsmodels_form_by_scipy():
    stats = pytest.importorskip("scipy.stats")
    for correct, n in ((0, 7), (3, 7), (90, 100), (100, 100)):
        interval = stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
        ours = wilson(correct, n)
        assert ours.low == pytest.approx(interval.low, abs=1e-12)
        assert ours.high == pytest.approx(interval.high, abs=1e-12)


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_rate_and_is_symmetric(n, data):
    k = data.draw(st.integers(0, n))
    here, mirror = wilson(k, n), wilson(n - k, n)
    assert 0 <= here.low <= here.rate <= here.high <= 1
    assert here.low == pytest.approx(1 - mirror.high, abs=1e-12)


def test_an_exam_of_right_and_wrong_replies(world):
    questions = world.questions("test", 50, seed=3)
    replies = [q.answer if q.kind != "sum" else "99." for q in questions]
    marks = exam(world, questions, replies)
    assert {kind: mark.rate for kind, mark in marks.items()} == {
        "fact": 1.0,
        "sum": 0.0,
        "where": 1.0,
        "count": 1.0,
        "stranger": 1.0,
    }


def test_an_exam_refuses_a_missing_reply_and_wilson_refuses_nonsense(world):
    with pytest.raises(ValueError, match="3 questions but 0 replies"):
        exam(world, world.questions("test", 3), [])


@pytest.mark.parametrize("correct, n", [(-1, 3), (4, 3), (0, 0)])
def test_wilson_names_bad_counts(correct, n):
    with pytest.raises(ValueError, match=f"correct={correct}, n={n}"):
        wilson(correct, n)


def test_marks_say_why(world):
    questions = world.questions("test", 6, kinds=("fact", "sum"))
    replies = [q.answer for q in questions]
    replies[0] = "I do not know that."
    marks = mark(world, questions, replies)
    assert not marks[0].correct and "refuses" in marks[0].reason
    assert (accuracy(marks).correct, accuracy(marks).n) == (5, 6)
    assert [found.rate for found in exam(world, questions, replies).values()] == [2 / 3, 1.0]
