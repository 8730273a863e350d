"""The exercises as a whole: how many, of which kinds, how long, and worth how much."""

from collections import Counter

import pytest

from course_lib.checks import STEMS, catalogue
from tools.sources import sources

ALL = catalogue()
# Minutes that a kind of exercise may take: a warm-up is one formula, a build an hour at most.
MINUTES = {"warm-up": (5, 20), "build": (20, 90), "diagnose": (15, 60), "predict": (10, 45)}


def own(stem: str) -> list:
    return [exercise for name, exercise in ALL.items() if name.startswith(f"{stem}/")]


def test_there_are_45_or_more():
    assert len(ALL) >= 45


@pytest.mark.parametrize("stem", STEMS)
def test_a_chapter_has_five_or_more_with_a_diagnosis_and_a_prediction(stem):
    kinds = Counter(exercise.kind for exercise in own(stem))
    assert kinds.total() >= 5, kinds
    assert kinds["diagnose"] >= 1 and kinds["predict"] >= 1, kinds


@pytest.mark.parametrize("stem", STEMS)
def test_a_chapter_asks_for_hours_not_for_minutes_or_days(stem):
    assert 90 <= sum(exercise.minutes for exercise in own(stem)) <= 600
    assert 40 <= sum(exercise.points for exercise in own(stem)) <= 160


@pytest.mark.parametrize("name", ALL)
def test_minutes_and_points_are_those_of_its_kind(name):
    exercise = ALL[name]
    least, most = MINUTES[exercise.kind]
    assert least <= exercise.minutes <= most
    assert 5 <= exercise.points <= 20


def test_every_exercise_has_its_page_and_every_page_its_exercise():
    assert {source.name for source in sources("solutions")} == set(ALL)


def test_answers_and_titles_are_told_apart():
    assert len({e.title for e in ALL.values()}) == len(ALL)
    for stem in STEMS:
        answers = [e.answer for e in own(stem)]
        assert len(set(answers)) == len(answers), answers


@pytest.mark.parametrize("stem", STEMS)
def test_a_chapter_can_hand_every_student_constants_of_their_own(stem):
    assert any(e.constants for e in own(stem)), "no exercise has constants"
