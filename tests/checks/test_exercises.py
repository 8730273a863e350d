"""Every exercise against wrong and right answers: solutions/<stem>/mutants/<topic>.py.

A mutants file holds WRONG (answer -> a piece of the hint meant for it) and RIGHT (three answers or
more, each written in another way). The trivial answers are made here.
"""

import runpy
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import pytest
import torch

from course_lib.checks import catalogue
from course_lib.checks.exercise import Case, Exercise

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
EXERCISES = catalogue()
SEEDS = (0, 7)  # the instant check's, and one as a grader would draw it


@cache
def mutants(name: str) -> dict[str, Any]:
    stem, topic = name.split("/")
    return runpy.run_path(str(SOLUTIONS / stem / "mutants" / f"{topic}.py"))


def answers(kind: str) -> list:
    return [
        pytest.param(name, answer, id=f"{name}-{answer.__name__}")
        for name in EXERCISES
        for answer in mutants(name)[kind]
    ]


@pytest.mark.parametrize("name", EXERCISES)
def test_there_are_enough_mutants(name):
    assert len(mutants(name)["WRONG"]) >= 5
    assert len(mutants(name)["RIGHT"]) >= 3
    assert len(EXERCISES[name].mistakes) >= 3


@pytest.mark.parametrize(("name", "answer"), answers("WRONG"))
def test_a_wrong_answer_fails_with_the_hint_meant_for_it(name, answer):
    hint = mutants(name)["WRONG"][answer]
    for seed in SEEDS:
        report = EXERCISES[name].examine(answer, seed)
        assert not report.passed
        assert report.share < 1
        assert hint in str(report), f"\n{report}"


@pytest.mark.parametrize(("name", "answer"), answers("RIGHT"))
def test_a_right_answer_passes_however_it_is_written(name, answer):
    for seed in SEEDS:
        report = EXERCISES[name].examine(answer, seed)
        assert report.passed and report.share == 1, f"\n{report}"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [(name, sentence) for name, exercise in EXERCISES.items() for sentence in exercise.mistakes],
)
def test_each_mistake_is_recognised_by_its_own_sentence(name, sentence):
    exercise = EXERCISES[name]
    for seed in SEEDS:
        report = exercise.examine(exercise.bound(exercise.mistakes[sentence]), seed)
        assert report.mistake == sentence, f"\n{report}"


def stub(name: str) -> Callable:
    """What the learner finds in the notebook."""
    notebook = jupytext.read(SOLUTIONS / f"{name}.md")
    space: dict[str, Any] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "solution" not in cell.metadata.get("tags", []):
            if "exercise-only" not in cell.metadata.get("tags", []):
                exec(cell.source, space)
            if "stub" in cell.metadata.get("tags", []):
                return space[EXERCISES[name].answer]
    raise AssertionError(f"{name}: no cell tagged stub")


def shaped(value: Any, make: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A value of the same form with other numbers in it."""
    if isinstance(value, torch.Tensor):
        return make(value.double()).to(value.dtype)
    if isinstance(value, bool | str) or value is None:
        return type(value)() if value is not None else None
    if isinstance(value, int | float):
        return type(value)(make(torch.tensor([float(value)], dtype=torch.double)).item())
    if isinstance(value, dict):
        return {key: shaped(part, make) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(shaped(part, make) for part in value)
    return None


def as_right(exercise: Exercise, make: Callable[[torch.Tensor], torch.Tensor]) -> Callable:
    """What the right answer would return, but for its numbers."""
    right = exercise.bound(exercise.reference)
    if not exercise.harness:
        return lambda *given: shaped(right(*given), make)

    def on_a_copy(*given: Any) -> Any:  # what it would do to the real disk is the answer itself
        with suppress(Exception):
            return shaped(right(*deepcopy(given)), make)

    return on_a_copy


TRIVIAL = {
    "nothing": lambda exercise: lambda *given: None,
    "zero": lambda exercise: lambda *given: 0,
    "the first argument": lambda exercise: lambda *given: given[0] if given else None,
    "the last argument": lambda exercise: lambda *given: given[-1] if given else None,
    "an empty list": lambda exercise: lambda *given: [],
    "an exception": lambda exercise: lambda *given: 1 // 0,
    "zeros of the right form": lambda exercise: as_right(exercise, torch.zeros_like),
    "ones of the right form": lambda exercise: as_right(exercise, torch.ones_like),
    "noise of the right form": lambda exercise: as_right(exercise, torch.randn_like),
    "the untouched stub": lambda exercise: stub(exercise.name),
}


@pytest.mark.parametrize("trivial", TRIVIAL)
@pytest.mark.parametrize("name", EXERCISES)
def test_trivial_answers_earn_next_to_nothing(name, trivial):
    exercise = EXERCISES[name]
    report = exercise.examine(TRIVIAL[trivial](exercise), SEEDS[-1])
    assert not report.passed
    assert report.share <= 0.1, f"\n{report}"


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_page_says_what_the_exercise_is_worth(name):
    exercise = EXERCISES[name]
    text = (SOLUTIONS / f"{name}.md").read_text(encoding="utf-8")
    assert f"\n{exercise.line}\n" in text
    assert f"def {exercise.answer}(" in text


@pytest.mark.parametrize("name", EXERCISES)
def test_labels_give_no_value_away(name):
    """Labels of cases are shown with a grade: the same for every seed, each once."""
    labels = [[case.what for case in EXERCISES[name].cases(seed)] for seed in SEEDS]
    assert labels[0] == labels[1]
    assert len(set(labels[0])) == len(labels[0])
    assert all(isinstance(case, Case) for case in EXERCISES[name].cases(0))


@pytest.mark.parametrize("name", EXERCISES)
def test_seeds_make_other_inputs(name):
    first, other = (EXERCISES[name].cases(seed) for seed in SEEDS)
    assert repr([c.arguments for c in first]) != repr([c.arguments for c in other])


@pytest.mark.parametrize("name", EXERCISES)
def test_the_statement_says_what_is_forbidden_and_what_may_change(name):
    exercise = EXERCISES[name]
    statement = (SOLUTIONS / f"{name}.md").read_text().partition("```{code-cell}")[0]
    assert [ban for ban in exercise.forbidden if ban not in statement] == []
    assert all(f"`{constant}`" in statement for constant in exercise.constants)
    assert not exercise.constants or "grader may" in statement
