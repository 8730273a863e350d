"""Which marks don't leave the house yet, and what is written then."""

from dataclasses import replace

from course_lib.checks.exercise import Case, Exercise
from course_lib.grading.batch import Outcome
from course_lib.grading.intake.roster import Person
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.reports.held import reasons, unmatched
from course_lib.grading.reports.report import Extra, write_report

ADD = Exercise(
    name="data/add",
    title="Add",
    answer="f",
    kind="warm-up",
    minutes=5,
    points=10,
    cases=lambda seed: [Case("a number", (seed,))],
    reference=lambda x: x,
    mistakes={},
)
PEOPLE = {"ann", "eve"}


def student(name, *files):
    return Student(Submission(student=name, files=files), Person(student=name))


def result(name, status="passed", points=10.0):
    one = Graded(exercise="data/add", points=points, out_of=10, status=status)
    return Result(student=name, digest="", graded=(one,))


ANN, EVE = student("ann", "add.py"), student("eve")
STRANGER = student("x7", "add.py", "b.py")
RESULTS = {
    "ann": result("ann"),
    "eve": result("eve", "not attempted", 0.0),
    "x7": result("x7"),
}


def test_a_file_of_nobody_may_be_what_is_missing():
    assert unmatched([ANN, EVE, STRANGER], PEOPLE) == [STRANGER]
    (said,) = reasons([ANN, EVE, STRANGER], RESULTS, PEOPLE)
    assert said.startswith("x7 (add.py, b.py): on no row of the roster, while eve would get 0")
    assert "further column of the roster" in said


def test_where_nothing_is_open_nothing_is_held():
    assert reasons([ANN, EVE], RESULTS, PEOPLE) == [], "who handed nothing in gets 0"
    assert reasons([ANN, EVE, STRANGER], RESULTS) == [], "no roster, so nobody is a stranger"
    (said,) = reasons([ANN, STRANGER], RESULTS, {"ann"})
    assert said == "x7: on no row of the roster, so no platform will find them"


def test_what_the_grader_failed_at_and_what_nobody_has_marked_is_open():
    found = {"ann": result("ann", "not graded", 0.0), "eve": result("eve", "to be marked by hand")}
    first, second = reasons([ANN, EVE], found, PEOPLE)
    assert "ann: not graded by a fault of the grader" in first and "--regrade" in first
    assert "eve: still to be marked by hand, in by_hand.csv" in second
    assert "ann" in reasons([ANN], {"ann": result("ann", "not gradable: TypeError: x")}, PEOPLE)[0]


def test_what_a_person_decided_is_not_open():
    one = replace(result("ann", "not graded", 8.0).graded[0], note="A second look: 8 points.")
    assert reasons([ANN], {"ann": Result(student="ann", digest="", graded=(one,))}, PEOPLE) == []


def test_long_lists_are_cut_and_counted():
    many = [student(f"x{i}", "a.py") for i in range(30)]
    (said,) = reasons([EVE, *many], RESULTS, PEOPLE)
    assert "x7 (a.py) and 22 more" in said and "\n" not in said


def write(folder, class_, **more):
    outcome = Outcome(results=RESULTS, graded=3, kept=0)
    extra = Extra(people=PEOPLE, **more)
    return write_report(folder, class_, outcome, ["data/add"], {ADD.name: ADD}, extra=extra)


def test_held_marks_are_in_no_platforms_table(tmp_path):
    assert write(tmp_path, [ANN, EVE]) == []
    assert (tmp_path / "canvas.csv").exists() and (tmp_path / "moodle.csv").exists()
    assert len(write(tmp_path, [ANN, EVE, STRANGER])) == 1
    assert not (tmp_path / "canvas.csv").exists(), "what is there from before goes as well"
    assert not (tmp_path / "moodle.csv").exists() and (tmp_path / "grades.csv").exists()
    page = (tmp_path / "summary.html").read_text()
    assert "Before you hand out marks" in page and "eve would get 0" in page
    assert write(tmp_path, [ANN, EVE, STRANGER], export=True), "said all the same"
    assert (tmp_path / "canvas.csv").exists() and (tmp_path / "moodle.csv").exists()
