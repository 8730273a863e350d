"""A second look: what is written down, what it does to a result, and what can't be."""

import json

import pytest
from typer.testing import CliRunner

from course_lib.cli.main import app
from course_lib.grading.demo_answers import ROPE
from course_lib.grading.intake.roster import Person
from course_lib.grading.intake.submission import Student
from course_lib.grading.marks.rows import BadRow
from course_lib.grading.marks.settle import Settings, read_tables, settle
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.reports.lms import status_of

OUT_OF = {"data/add": 10, "data/double": 5}
NAMES = ("ann", "-7", "=cy")
HEAD = "student,exercise,points,reason,tests gave\n"


def result(name, first=4.0, second=5.0):
    graded = (
        Graded(exercise="data/add", points=first, out_of=10, status="partly", review="odd"),
        Graded(exercise="data/double", points=second, out_of=5, status="passed"),
    )
    return Result(student=name, digest="d", graded=graded)


def settled(folder, decision=None, **points):
    class_ = [Student(Submission(student=n, files=("a.py",)), Person(student=n)) for n in NAMES]
    results = {name: result(name, **points) for name in NAMES}
    tables = read_tables(folder, class_, OUT_OF, Settings(), decision=decision)
    return settle(folder, class_, results, OUT_OF, Settings(), tables)


def test_a_decision_counts_from_then_on_and_its_reason_is_told(tmp_path):
    for decision in (("ann", "data/add", "8", "the sign is a slip"), None, None):
        results, looks = settled(tmp_path, decision)
        (add, double) = results["ann"].graded
        assert (add.points, double.points, results["ann"].points) == (8.0, 5.0, 13.0)
        assert add.note == "A second look: 8 points instead of 4. the sign is a slip"
        assert add.review == "" and not looks, "somebody has looked"
        assert results["-7"].points == 9.0


def test_a_later_decision_takes_the_place_of_an_earlier_one(tmp_path):
    settled(tmp_path, ("ann", "data/add", "8", "first"))
    results, _ = settled(tmp_path, ("ann", "data/add", "9,5", "second"))
    assert results["ann"].points == 14.5
    assert (tmp_path / "overrides.csv").read_text(encoding="utf-8-sig").count("ann") == 1


def test_what_the_tests_give_is_seen_to_have_changed(tmp_path):
    settled(tmp_path, ("ann", "data/add", "8", "a slip"))
    results, (look,) = settled(tmp_path, first=10.0)
    assert results["ann"].graded[0].points == 8.0, "a person decides, not the machine"
    assert look.student == "ann" and look.exercise == "data/add"
    assert "gave 4 when somebody decided on 8, and give 10 now" in look.why


def test_names_and_reasons_that_look_like_formulas_come_back_whole(tmp_path):
    for name in NAMES[1:]:
        settled(tmp_path, (name, "data/add", "0", "=1+1 is what it says"))
    results, _ = settled(tmp_path)
    assert {results[name].points for name in NAMES[1:]} == {5.0}
    assert results["=cy"].graded[0].note.endswith("=1+1 is what it says")
    assert ",'=1+1" in (tmp_path / "overrides.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    "row, said",
    [
        ("anna,data/add,3,why", "line 2: student is 'anna', expected a student as .*: ann"),
        ("ann,data/ad,3,why", "exercise is 'data/ad', expected an exercise .*: data/add"),
        ("ann,data/add,12,why", "points is '12', expected a number from 0 to 10"),
        ("ann,data/add,-1,why", "points is '-1', expected a number from 0 to 10"),
        ("ann,data/add,nan,why", "points is 'nan', expected"),
        ("ann,data/add,many,why", "points is 'many', expected"),
        ("ann,data/add,,why", "points is '', expected"),
        ("ann,data/add,3,", "reason is empty, expected why"),
        ("ann,data/add,3,a,11", "tests gave is '11', expected a number from 0 to 10"),
        ("ann,data/add,3,a\nann,data/add,4,b", "line 3: a second row for 'ann'"),
    ],
)
def test_what_cant_be_is_named_with_its_line(tmp_path, row, said):
    (tmp_path / "overrides.csv").write_text(HEAD + row + "\n")
    with pytest.raises(BadRow, match=said) as refused:
        settled(tmp_path)
    assert "\n" not in str(refused.value) and "overrides.csv" in str(refused.value)


def test_a_table_may_come_from_a_spreadsheet(tmp_path):
    text = "Student;Exercise;Points;Reason\r\nann;data/add;7,5;fair\r\n;;;\r\n"
    (tmp_path / "overrides.csv").write_bytes(text.encode("utf-16"))
    assert settled(tmp_path)[0]["ann"].points == 12.5
    (tmp_path / "overrides.csv").write_text("student,points,reason\nann,3,why\n")
    with pytest.raises(BadRow, match="no column 'exercise', expected student, exercise"):
        settled(tmp_path)


def test_full_marks_by_hand_are_passed():
    ann = Student(Submission(student="ann", files=("a.py",)), Person(student="ann"))
    assert status_of(ann, result("ann", 10.0)) == "look at by hand"
    full = Result(student="ann", digest="", graded=result("ann").graded[1:])
    assert status_of(ann, full) == "passed"
    assert status_of(ann, Result(student="ann", digest="", graded=())) != "passed"


def graded(self, submission):
    """Stands for the judges: ten points for a sign, none without."""
    points = {n: 10.0 if "-" in text else 0.0 for n, text in submission.answers.items()}
    marks = [
        Graded(exercise=n, points=p, out_of=10, status="passed" if p else "wrong")
        for n, p in points.items()
    ]
    return Result(student=submission.student, digest="", graded=tuple(marks))


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`course grade` of two students, with options."""
    monkeypatch.setattr("course_lib.grading.judges.Judges.grade", graded)
    folder = tmp_path / "in"
    for name, source in (("ann", "-x"), ("bob", "x")):
        (folder / name).mkdir(parents=True)
        text = f"def my_rope(x, positions):\n    return {source}"
        (folder / name / "rope.py").write_text(text)
    (tmp_path / "secret").write_text("s" * 32)
    fixed = ["grade", str(folder), "--out", str(tmp_path / "out"), "--unsafe-no-sandbox"]
    fixed += ["--secret-file", str(tmp_path / "secret"), "--exercises", ROPE]

    def run(*more, code=0):
        done = CliRunner().invoke(app, [*fixed, *more])
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    return run


def test_the_command_decides_and_grades_one_again(command, tmp_path):
    out = tmp_path / "out"
    command()
    kept = {p: p.stat().st_mtime_ns for p in (out / "results").glob("*.json")}
    said = command("--override", "bob", ROPE, "6", "most of it is right")
    assert "0 contents graded, 2 kept" in said
    page = (out / "feedback" / "bob.html").read_text()
    assert "A second look: 6 points instead of" in page and "6 of 10 points" in page
    said = command("--regrade", "bob")
    assert "1 contents graded, 1 kept" in said, "the other is kept"
    after = {p: p.stat().st_mtime_ns for p in (out / "results").glob("*.json")}
    assert sum(kept[p] != after[p] for p in kept) == 1
    assert "6 of 10 points" in (out / "feedback" / "bob.html").read_text()
    assert json.loads(next(iter(kept)).read_text())["graded"][0]["note"] == "", "not among results"


def test_the_command_refuses_by_name_before_anybody_is_graded(command, tmp_path):
    said = command("--override", "bop", ROPE, "6", "why", code=2)
    assert "--override: student is 'bop', expected a student as grades.csv calls them: bob" in said
    assert "from 0 to 10" in command("--override", "bob", ROPE, "-2", "why", code=2)
    assert "--regrade is 'an'" in command("--regrade", "an", code=2)
    assert not (tmp_path / "out" / "results").exists()
