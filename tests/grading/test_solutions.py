"""Every exercise through the sandbox: its solution gets all points there, its stub none.

So each exercise's arguments, harness and answer are made of what can be sent.
"""

from pathlib import Path

import jupytext
import pytest

from course_lib.checks import catalogue
from course_lib.grading.intake.notebook import Cell
from course_lib.grading.intake.rebuild import parse, rebuild

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
EXERCISES = catalogue()


def answer_of(name, tag):
    """The source of an exercise's answer, as it is rebuilt from a notebook that holds it."""
    cells = []
    for number, cell in enumerate(jupytext.read(SOLUTIONS / f"{name}.md").cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and (tag in tags or not {"stub", "solution"} & set(tags)):
            cells.append(Cell(number=number, source=cell.source))
    return rebuild(parse(cells), name, EXERCISES[name].answer).source


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_gets_all_points(name, graded):
    grade = graded(answer_of(name, "solution"), EXERCISES[name])
    assert (grade.status, grade.points) == ("passed", EXERCISES[name].points), grade
    assert grade.said == grade.review == ""


@pytest.mark.parametrize("name", EXERCISES)
def test_the_stub_gets_none(name, graded):
    grade = graded(answer_of(name, "stub"), EXERCISES[name])
    assert grade.points == 0, grade
    assert grade.status in ("not attempted", "wrong")


@pytest.mark.parametrize("seed", [154_887, 732_974])
def test_rounding_in_a_gradient_is_no_mistake(seed):
    name, space = "architecture/grouped_query_attention", {}
    exec(answer_of(name, "solution"), space)
    assert EXERCISES[name].examine(space["my_attention"], seed).share == 1
