"""`course grade` with what people decide: from assignment.json and tables to what is written."""

import csv
import json

import pytest
from typer.testing import CliRunner

from course_lib.cli.main import app
from course_lib.grading.demo_answers import ROPE
from course_lib.grading.outcome import Graded, Result

EXTRAS = {
    "late": {"due": "2026-10-05T23:59", "free_days": 1, "percent_a_day": 50},
    "by hand": {"predict": {"title": "Your guess", "criteria": {"a number": 2}}},
}

HERS = "ann,Ann,rope.py,predict,a number,2,1,"


def graded(self, submission):
    """Stands for the judges: ten points for any answer."""
    marks = [
        Graded(
            exercise=name,
            points=10.0 if text else 0.0,
            out_of=10,
            status="passed" if text else "not attempted",
        )
        for name, text in submission.answers.items()
    ]
    return Result(student=submission.student, digest="", graded=tuple(marks))


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`course grade` of ann, who is on the roster, as eve is, and of x7, who is on none."""
    monkeypatch.setattr("course_lib.grading.judges.Judges.grade", graded)
    for name in ("ann", "x7"):
        (tmp_path / "in" / name).mkdir(parents=True)
        text = "def my_rope(x, positions):\n    return x"
        (tmp_path / "in" / name / "rope.py").write_text(text)
    students = {
        s: {"row": {"login": s, "name": s.title()}, "constants": {}} for s in ("ann", "eve")
    }
    data = {"version": 1, "exercises": [ROPE], "students": students, **EXTRAS}
    (tmp_path / "assignment.json").write_text(json.dumps(data))
    (tmp_path / "times.csv").write_text("student,handed in\nann,2026-10-07T10:00\n")
    (tmp_path / "secret").write_text("s" * 32)
    fixed = ["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--unsafe-no-sandbox"]
    fixed += ["--secret-file", str(tmp_path / "secret"), "--title", "Week 1"]
    fixed += ["--roster", str(tmp_path / "assignment.json")]

    def run(*more, code=0, times="times.csv"):
        late = ["--handed-in", str(tmp_path / times)] if times else []
        done = CliRunner().invoke(app, [*fixed, *late, *more])
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    return run


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_marks_leave_the_house_when_nothing_is_open(command, tmp_path):
    out = tmp_path / "out"
    said = command()
    assert "x7 (rope.py): on no row of the roster, while eve would get 0" in said
    assert "ann, x7: still to be marked by hand" in said
    assert "canvas.csv and moodle.csv are not written" in said and not (out / "canvas.csv").exists()

    data = json.loads((tmp_path / "assignment.json").read_text())
    data["students"]["eve"]["row"]["also"] = "x7"  # whose it was
    (tmp_path / "assignment.json").write_text(json.dumps(data))
    (tmp_path / "times.csv").write_text(
        "student,handed in\nann,2026-10-07T10:00\nx7,2026-10-01T00:00\n"
    )
    text = (out / "by_hand.csv").read_text(encoding="utf-8-sig")
    assert "x7,x7,rope.py,predict,a number,2,," in text
    (out / "by_hand.csv").write_text(text.replace("ann,Ann,rope.py,predict,a number,2,,", HERS))
    assert "eve: still to be marked by hand" in command(), "the row of x7, empty, is gone"
    text = (out / "by_hand.csv").read_text(encoding="utf-8-sig")
    (out / "by_hand.csv").write_text(text.replace(",2,,", ",2,2,good"))
    said = command("--override", "ann", ROPE, "9", "a slip")
    assert "not written" not in said

    ann, eve = rows(out / "grades.csv")
    assert (ann[ROPE], ann["predict"], ann["out of"]) == ("9.0", "1.0", "12")
    assert ann["points"] == "5.0", "2 days late, 1 without cost: half of 10"
    assert eve["points"] == "12.0" and eve["late"] == "" and ann["late"] == "-5.0"
    canvas = rows(out / "canvas.csv")
    assert [row["Week 1 (NO SANDBOX)"] for row in canvas] == ["12", "5.0", "12.0"]
    page = (out / "feedback" / "ann.html").read_text()
    assert "2 days late, 1 without cost: 50 % less, 5 of 10 points." in page
    assert "A second look: 9 points instead of 10. a slip" in page and "Your guess" in page


def test_strangers_may_stay_strangers(command, tmp_path):
    said = command("--export-anyway")
    assert "while eve would get 0" in said and "are written all the same" in said
    assert (tmp_path / "out" / "canvas.csv").exists()


def test_what_cant_be_is_one_line_before_anybody_is_graded(command, tmp_path):
    assert "expected --handed-in, a table of times" in command(code=2, times="")
    (tmp_path / "bad.csv").write_text("student,handed in\nann,5.10.2026\n")
    said = command(code=2, times="bad.csv")
    assert "handed in, of ann is '5.10.2026', expected a date and a time, as 2026-" in said
    assert command(code=2, times="nowhere.csv").endswith("No such file or directory")
    assert not (tmp_path / "out" / "results").exists()
