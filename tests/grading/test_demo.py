"""The demo's class, its commands, and its answers checked the way learners check theirs."""

import json

import pytest
import torch
from typer.testing import CliRunner

from course_lib.checks import catalogue
from course_lib.cli.main import app
from course_lib.grading.demo import NAMES, write_class
from course_lib.grading.demo_answers import FUNCTIONS, GOOD, HOSTILE, ROPE, STUBS, WRONG
from course_lib.grading.intake.roster import read_roster
from course_lib.grading.intake.submission import read_class

runner = CliRunner()
EXERCISES = catalogue()


def function(name, source):
    space = {"torch": torch, "math": __import__("math"), "BASE": 10_000}
    exec(source, space)
    return space[FUNCTIONS[name]]


@pytest.mark.parametrize(("name", "source"), [(n, s) for n in GOOD for s in GOOD[n]])
def test_the_good_answers_are_right(name, source):
    report = EXERCISES[name].examine(function(name, source), seed=3)
    assert report.passed, str(report)


@pytest.mark.parametrize(("name", "source"), [(n, s) for n in WRONG for s in WRONG[n]])
def test_the_wrong_answers_are_wrong(name, source):
    try:
        answer = function(name, source)
    except SyntaxError:
        return
    assert not EXERCISES[name].examine(answer, seed=3).passed


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_stubs_are_the_exercises(name):
    assert EXERCISES[name].answer == FUNCTIONS[name]
    report = EXERCISES[name].examine(function(name, STUBS[name]), seed=3)
    assert "Nothing here yet" in str(report)


def test_the_class_is_read_with_its_variants(tmp_path):
    submissions, assignment = write_class(tmp_path)
    roster = read_roster(assignment)
    students, wanted = read_class(submissions, EXERCISES, roster)
    assert wanted == tuple(FUNCTIONS) and len(students) == len(NAMES) == 30
    assert {s.submission.student for s in students} == {p.student for p in roster.people}
    bases = {s.submission.constants[ROPE]["BASE"] for s in students}
    assert bases == set(EXERCISES[ROPE].constants["BASE"])
    for student in students:
        source = student.submission.answers[ROPE]
        if "BASE" in source:
            assert f"BASE = {student.submission.constants[ROPE]['BASE']:_}" in source
    said = [p for s in students for p in s.submission.problems]
    assert any("it was not unpacked" in p for p in said)
    assert any("it is no notebook" in p for p in said)
    hostile = [s for s in students if any(t in str(s.submission.answers) for t in ("_exit", "gc"))]
    assert len(HOSTILE) == 6 and len(hostile) >= 2


def test_grade_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))  # where a secret is made
    result = runner.invoke(app, ["grade"])
    assert result.exit_code == 2 and "--out" in result.output
    result = runner.invoke(app, ["grade", "--exercises", "nothing", "--out", "x", "y"])
    assert result.exit_code == 2 and "no exercise 'nothing'" in result.output


def test_a_short_secret_is_refused(tmp_path):
    short = tmp_path / "secret"
    short.write_bytes(b"abc")
    args = ["grade", str(tmp_path), "--out", str(tmp_path / "out"), "--secret-file", str(short)]
    result = runner.invoke(app, args)
    assert result.exit_code == 2 and "holds 3 bytes" in " ".join(result.output.split())


def test_assign_and_autograder_write_what_they_say(tmp_path):
    roster = tmp_path / "r.csv"
    roster.write_text("name,email\nAnn,ann@x.org\nBob,bob@x.org\n")
    out = tmp_path / "out"
    args = ["assign", "--roster", str(roster), "--seed", "1", "--out", str(out), ROPE]
    result = runner.invoke(app, [*args, "--notebooks", "exercises"])
    assert result.exit_code == 0, result.output
    data = json.loads((out / "assignment.json").read_text())
    assert sorted(data["students"]) == ["ann@x.org", "bob@x.org"]
    assert len(list(out.rglob("rope.ipynb"))) == 2
    secret = tmp_path / "secret"
    assigned = ["--roster", str(out / "assignment.json"), "--secret-file", str(secret)]
    result = runner.invoke(app, ["grade", "--autograder", str(tmp_path / "a.zip"), *assigned])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.zip").stat().st_size > 500
    assert secret.stat().st_mode & 0o077 == 0
