"""What platforms take in: rows, columns, and no formula that a student could plant."""

import csv

import pytest

from course_lib.grading.intake.origin import origin, platform_of
from course_lib.grading.intake.roster import Person
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.reports import lms

NAMES = ("data/add", "data/double")


def _origin(path):
    return origin(path, "all", (), platform_of([path]))


def student(name, row=None, path=None, problems=(), files=("add.ipynb",)):
    made = Submission(student=name, files=files, problems=problems)
    return Student(made, Person(student=name, row=row or {}), path and _origin(path))


def result(name, points=(10.0, 2.5), statuses=("passed", "partly"), sandboxed=True, review=""):
    graded = [
        Graded(exercise=e, points=p, out_of=10, status=s, review=review)
        for e, p, s in zip(NAMES, points, statuses, strict=True)
    ]
    return Result(
        student=name, digest="d", graded=tuple(graded), seconds=1.234, sandboxed=sandboxed
    )


ROW = {"Student": "Lee, Ann", "ID": "7", "SIS User ID": "s7", "SIS Login ID": "al", "Section": "A"}


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_grades_have_a_row_a_student_and_a_column_an_exercise(tmp_path):
    class_ = [student("al", ROW), student("bob"), student("cy", files=()), student("dan")]
    results = {
        "al": result("al"),
        "cy": result("cy", (0.0, 0.0), ("not attempted",) * 2),
        "dan": result("dan", review="ended the worker"),
    }
    path = tmp_path / "grades.csv"
    lms.write_csv(path, lms.grades_rows(class_, results, NAMES))
    head, al, bob, cy, dan = read(path)
    assert head[:7] == ["student", "name", *NAMES, "points", "out of", "percent"]
    assert al[:9] == ["al", "Lee, Ann", "10.0", "2.5", "12.5", "20", "62.5", "partly", "1.23"]
    assert bob[2:8] == ["", "", "", "", "", "not graded yet"]
    assert cy[7] == "nothing handed in" and dan[7] == "look at by hand"


def test_canvas_finds_students_by_their_numbers(tmp_path):
    class_ = [student("al", ROW), student("leebob", path="leebob_99_1_add.ipynb")]
    results = {"al": result("al"), "leebob": result("leebob")}
    rows = lms.canvas_rows(class_, results, 20, "Week 1")
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Week 1"]
    assert rows[1][0].strip() == "Points Possible" and rows[1][-1] == 20
    assert rows[2] == ["Lee, Ann", "7", "s7", "al", "A", 12.5]
    assert rows[3][1] == "99"


def test_moodle_finds_students_by_identifier_and_feedback_is_escaped():
    path = "Ann Lee_4711_assignsubmission_file_/add.ipynb"
    one = student("Ann Lee", path=path)
    marked = result("Ann Lee")
    marked = Result(**{**vars(marked), "problems": ("<script>alert(1)</script>",)})
    head, row = lms.moodle_rows([one], {"Ann Lee": marked}, 20)
    assert head[0] == "Identifier" and row[0] == "Participant 4711"
    assert row[3:5] == [12.5, 20]
    said = row[head.index("Feedback comments")]
    assert "&lt;script&gt;" in said and "<script>" not in said
    assert "Last modified (grade)" in head  # without it, Moodle refuses the worksheet


def test_an_id_that_begins_with_a_minus_stays_itself(tmp_path):
    path = tmp_path / "canvas.csv"
    row = {**ROW, "ID": "-7", "SIS Login ID": "-al", "SIS User ID": "-1+cmd|' /C calc'!A0"}
    lms.write_csv(path, lms.canvas_rows([student("-al", row)], {}, 20, "Week 1"))
    assert read(path)[2][1:4] == ["-7", "'-1+cmd|' /C calc'!A0", "-al"]


def test_grades_without_a_sandbox_are_stamped_everywhere():
    results = {"al": result("al", sandboxed=False)}
    class_ = [student("al", ROW)]
    assert "NO SANDBOX" in lms.grades_rows(class_, results, NAMES)[1]
    assert "NO SANDBOX" in lms.canvas_rows(class_, results, 20, "Week 1")[0][-1]
    assert "NO SANDBOX" in lms.moodle_rows(class_, results, 20)[1][-1]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "=cmd|' /C calc'!A0", "|calc"]
)
def test_a_text_that_a_spreadsheet_would_run_is_shown_as_text(tmp_path, text):
    path = tmp_path / "out.csv"
    lms.write_csv(path, [[text, -1.5]])
    ((shown, number),) = read(path)
    assert shown[0] in "'\N{REPLACEMENT CHARACTER}" and number == "-1.5"


def test_ordinary_texts_stay(tmp_path):
    path = tmp_path / "out.csv"
    lms.write_csv(path, [["Lee, Ann", "a=b", 'say "hi"', None, 3]])
    assert read(path) == [["Lee, Ann", "a=b", 'say "hi"', "", "3"]]
