"""Variants: constants that differ by student, in the notebook, and in what the grader reads."""

import json

import pytest

from course_lib.checks.exercise import Case, Exercise
from course_lib.grading.assign import NoNotebook, constants_of, variant, write_assignment
from course_lib.grading.intake.roster import Person, Roster, read_roster
from course_lib.grading.intake.submission import read_class


def exercise(name="data/scale", constants=None):
    return Exercise(
        name=name,
        title=name,
        answer=f"my_{name.split('/')[1]}",
        kind="warm-up",
        minutes=5,
        points=10,
        cases=lambda seed: [Case("a number", (seed,))],
        reference=lambda x, BASE=1: x * BASE,
        mistakes={},
        constants={"BASE": (10_000, 50_000, 500_000)} if constants is None else constants,
    )


SCALE, PLAIN = exercise(), exercise("data/add", {})
EXERCISES = {e.name: e for e in (SCALE, PLAIN)}


def notebook(topic, answer):
    role = {"course": {"exercise": f"data/{topic}", "role": "answer"}}
    cells = [
        {"cell_type": "markdown", "source": "BASE = 10_000 is everyone's", "metadata": {}},
        {"cell_type": "code", "source": answer, "metadata": role, "outputs": []},
        {"cell_type": "code", "source": f"check.{topic}(my_{topic});", "metadata": {}},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


STUB = "BASE = 10_000  # own\n\ndef my_scale(x):\n    raise NotImplementedError(BASE)"


def folder(tmp_path):
    path = tmp_path / "exercises" / "data"
    path.mkdir(parents=True)
    (path / "scale.ipynb").write_text(notebook("scale", STUB))
    (path / "add.ipynb").write_text(
        notebook("add", "def my_add(x):\n    raise NotImplementedError")
    )
    return path.parent


def code(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


def people(*names):
    return Roster(people=tuple(Person(student=n, row={"email": f"{n}@x.org"}) for n in names))


def test_what_somebody_wrote_of_marks_outlives_a_second_assign(tmp_path):
    out, notebooks = tmp_path / "out", folder(tmp_path)
    for names in (("ann",), ("ann", "bob")):
        write_assignment(people(*names), list(EXERCISES), EXERCISES, notebooks, out, 3)
        path = out / "assignment.json"
        data = json.loads(path.read_text())
        assert ("late" in data) == (names == ("ann", "bob"))
        path.write_text(json.dumps({**data, "late": {"due": "2026-10-05T23:59"}, "by hand": {}}))
    assert set(json.loads(path.read_text())["students"]) == {"ann", "bob"}
    path.write_text("{")
    with pytest.raises(ValueError, match="expected JSON, as course assign wrote it"):
        write_assignment(people("ann"), list(EXERCISES), EXERCISES, notebooks, out, 3)


def test_everyone_gets_notebooks_and_the_grader_the_same_constants(tmp_path):
    names, out = [f"s{i}" for i in range(12)], tmp_path / "out"
    made = write_assignment(people(*names), list(EXERCISES), EXERCISES, folder(tmp_path), out, 3)
    assert made == 24
    roster = read_roster(out / "assignment.json")
    assert roster.exercises == tuple(EXERCISES)
    seen = set()
    for name in names:
        base = roster.constants[name]["data/scale"]["BASE"]
        answer, check = code(out / name / "scale.ipynb")
        assert answer.startswith(f"BASE = {base:_}  # own\n")
        assert check == f"check.scale.variant(BASE={base})(my_scale);"
        assert code(out / name / "add.ipynb")[1] == "check.add(my_add);"
        seen.add(base)
    assert seen == {10_000, 50_000, 500_000}


def test_what_was_assigned_is_what_is_graded_whatever_the_notebook_says(tmp_path):
    out = tmp_path / "out"
    write_assignment(people("ann"), list(EXERCISES), EXERCISES, folder(tmp_path), out, 3)
    roster = read_roster(out / "assignment.json")
    path = out / "ann" / "scale.ipynb"
    path.write_text(path.read_text().replace("BASE = ", "BASE = 1 + "))
    (out / "assignment.json").rename(tmp_path / "assignment.json")
    students, wanted = read_class(out, EXERCISES, roster)
    (one,) = students
    assert wanted == tuple(EXERCISES)
    assert one.submission.constants == roster.constants["ann"]
    assert "BASE = 1 + " in one.submission.answers["data/scale"]


def test_a_variant_is_the_students_own_whoever_else_comes():
    assert constants_of("ann", SCALE, 3) == constants_of("ann", SCALE, 3)
    drawn = {seed: constants_of("ann", SCALE, seed)["BASE"] for seed in range(20)}
    assert set(drawn.values()) == {10_000, 50_000, 500_000}
    assert constants_of("ann", PLAIN, 3) == {}


def test_a_missing_notebook_and_a_missing_line_are_named(tmp_path):
    with pytest.raises(NoNotebook, match="--notebooks"):
        write_assignment(people("ann"), ["data/scale"], EXERCISES, tmp_path, tmp_path / "out", 0)
    with pytest.raises(NoNotebook, match="no line BASE"):
        variant(notebook("scale", "def my_scale(x): ..."), SCALE, {"BASE": 50_000})
    with pytest.raises(NoNotebook, match="no cell that calls check.scale"):
        variant(notebook("other", STUB), SCALE, {"BASE": 50_000})


def test_a_second_assignment_replaces_the_first():
    once = variant(notebook("scale", STUB), SCALE, {"BASE": 50_000})
    assert variant(once, SCALE, {"BASE": 500_000}) == variant(
        notebook("scale", STUB), SCALE, {"BASE": 500_000}
    )


def test_text_constants_are_written_as_python():
    words = exercise(constants={"MASK": ("<card>", "it's")})
    text = variant(
        notebook("scale", 'MASK = "<card>"\n\ndef my_scale(x): ...'), words, {"MASK": "it's"}
    )
    assert 'MASK = \\"it\'s\\"\\n' in text
