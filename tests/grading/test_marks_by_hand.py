"""Questions that people mark: the rubric, the table to fill in, and what comes of it."""

import csv
import re

import pytest

from course_lib.grading.intake.roster import Person
from course_lib.grading.intake.submission import Student
from course_lib.grading.marks.by_hand import FILE, questions_of
from course_lib.grading.marks.rows import BadRow
from course_lib.grading.marks.settle import Settings, read_settings, read_tables, settle
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.reports import pages
from course_lib.grading.reports.lms import status_of
from course_lib.grading.reports.words import About

RUBRIC = {"predict": {"title": "Your <guess>", "criteria": {"a number": 1, "a reason": 2}}}
OUT_OF = {"data/add": 10}
CLASS = [
    Student(Submission(student="ann", files=("a.ipynb",)), Person(student="ann")),
    Student(Submission(student="eve"), Person(student="eve")),
]


def settled(folder, rubric=RUBRIC):
    settings = Settings(questions=questions_of(rubric, "assignment.json"))
    one = Graded(exercise="data/add", points=10.0, out_of=10, status="passed")
    none = Graded(exercise="data/add", points=0.0, out_of=10, status="not attempted")
    results = {
        "ann": Result(student="ann", digest="", graded=(one,)),
        "eve": Result(student="eve", digest="", graded=(none,)),
    }
    tables = read_tables(folder, CLASS, OUT_OF, settings)
    return settle(folder, CLASS, results, OUT_OF, settings, tables)[0]


def fill(folder, **given):
    """Write points and comments into the table: a_reason="2: why"."""
    with (folder / FILE).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        text = given.get(row["criterion"].replace(" ", "_"))
        if row["student"] == "ann" and text is not None:
            row["points"], _, row["comment"] = text.partition(":")
    with (folder / FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_there_is_a_table_to_fill_in(tmp_path):
    results = settled(tmp_path)
    rows = list(csv.DictReader((tmp_path / FILE).open(encoding="utf-8-sig")))
    assert [(r["student"], r["criterion"], r["out of"], r["points"]) for r in rows] == [
        ("ann", "a number", "1", ""),
        ("ann", "a reason", "2", ""),
        ("eve", "a number", "1", ""),
        ("eve", "a reason", "2", ""),
    ]
    assert rows[0]["files"] == "a.ipynb"
    assert results["ann"].graded[1].status == "to be marked by hand"
    assert status_of(CLASS[0], results["ann"]) == "to be marked by hand"
    assert results["eve"].graded[1].status == "not attempted", "there is nothing to read"
    assert results["ann"].out_of == 13 and results["ann"].points == 10.0


def test_what_is_filled_in_counts_and_stays(tmp_path):
    settled(tmp_path)
    fill(tmp_path, a_number="1", a_reason="0.5:=half <b>of it</b>")
    for _ in range(3):
        results = settled(tmp_path)
        one = results["ann"].graded[1]
        assert (one.points, one.out_of, one.status) == (1.5, 3, "marked by hand")
        assert one.tests == ((True, "a number: 1 of 1"), (False, "a reason: 0.5 of 2"))
        assert one.note == "a reason: =half <b>of it</b>"
    about = About(titles={"predict": "Your <guess>"})
    page = pages.feedback(results["ann"], {}, about)
    assert "Your &lt;guess&gt;" in page and "&lt;b&gt;of it" in page and "check.predict" not in page


def test_long_comments_stay_whole(tmp_path):
    settled(tmp_path)
    said = "=Read it again,\nplease. " + 500 * "long "
    fill(tmp_path, a_number="1:" + said, a_reason="2")
    for _ in range(3):
        assert settled(tmp_path)["ann"].graded[1].note == f"a number: {said}".strip()


def test_half_a_mark_is_still_to_be_marked(tmp_path):
    settled(tmp_path)
    fill(tmp_path, a_number="1")
    one = settled(tmp_path)["ann"].graded[1]
    assert (one.points, one.status) == (0.0, "to be marked by hand")
    fill(tmp_path, a_number="1", a_reason="0")
    assert settled(tmp_path)["ann"].graded[1].points == 1.0


@pytest.mark.parametrize(
    "row, said",
    [
        ("ann,predict,a number,2,", "line 2: points is '2', expected a number from 0 to 1"),
        ("ann,predict,a number,-1,", "points is '-1'"),
        ("bob,predict,a number,1,", "student is 'bob', expected a student as .*: ann, eve"),
        ("ann,predicted,a number,1,", "question is 'predicted', expected a question .*: predict"),
        ("ann,predict,number,1,", "criterion is 'number', expected a criterion .*: a number"),
        ("ann,predict,a number,1,\nann,predict,a number,0,", "line 3: a second row for 'ann'"),
    ],
)
def test_what_cant_be_is_named_with_its_line(tmp_path, row, said):
    (tmp_path / FILE).write_text(f"student,question,criterion,points,comment\n{row}\n")
    with pytest.raises(BadRow, match=said):
        settled(tmp_path)


@pytest.mark.parametrize(
    "data, said",
    [
        ([], 'assignment.json: "by hand" is [], expected questions by name'),
        ({"a/b": RUBRIC["predict"]}, "'a/b': expected a name without /"),
        ({"a": {"points": 3}}, 'expected "title" and "criteria"'),
        ({"a": {"criteria": {}}}, "expected a criterion: points each"),
        ({"a": {"criteria": {"x": -1}}}, "'x' has -1 points, expected a whole number > 0"),
        ({"a": {"criteria": {"x": True}}}, "'x' has True points"),
    ],
)
def test_a_rubric_that_cant_be_is_refused(data, said):
    with pytest.raises(BadRow, match=re.escape(said)):
        questions_of(data, "assignment.json")


def test_settings_stand_in_the_assignment_alone(tmp_path):
    path = tmp_path / "assignment.json"
    path.write_text(
        '{"by hand": {"q": {"criteria": {"x": 1}}}, "late": {"due": "2026-10-05T23:59"}}'
    )
    found = read_settings(path)
    assert found.questions[0].title == "q" and found.policy.percent_a_day == 10
    assert read_settings(tmp_path / "class.csv") == read_settings(None) == Settings()
