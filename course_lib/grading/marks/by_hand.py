"""Questions that a person marks, with a rubric: what is asked for, and the points of each part.

The rubric stands in assignment.json. Grading writes by_hand.csv, beside the results: a row a
student and criterion, whose points and comment a person fills in. What is filled in stays, however
often the class is graded.

    "by hand": {"predict": {"title": "What you expected, and why",
                            "criteria": {"names a number": 1, "gives a reason": 2}}}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from course_lib.grading.intake.submission import Student
from course_lib.grading.marks.rows import BadRow, read_rows, write_rows
from course_lib.grading.outcome import Graded, Result
from course_lib.grading.reports.lms import Id, name_of
from course_lib.grading.reports.words import BY_HAND, OPEN, number

FILE = "by_hand.csv"
COLUMNS = ("student", "question", "criterion", "points", "comment")
ALL = ("student", "name", "files", "question", "criterion", "out of", "points", "comment")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question. criteria: what is looked for -> its points."""

    name: str
    title: str
    criteria: Mapping[str, int]

    @property
    def points(self) -> int:
        """What can be had."""
        return sum(self.criteria.values())


@dataclass(frozen=True)
class Given:
    """What a person gave for one criterion. points: None while it is to be marked."""

    points: float | None = None
    comment: str = ""


Marks = Mapping[tuple[str, str, str], Given]  # (student, question, criterion) -> what was given


def questions_of(data: Any, place: str) -> tuple[Question, ...]:
    """The rubric as it stands in a file. Raises BadRow."""
    where = f'{place}: "by hand"'
    if not isinstance(data, dict):
        raise BadRow(f"{where} is {data!r:.60}, expected questions by name")
    return tuple(_question(name, given, f"{where}: {name!r}") for name, given in data.items())


def _question(name: str, given: Any, where: str) -> Question:
    if not name.strip() or "/" in name:
        raise BadRow(f"{where}: expected a name without /, which exercises have")
    if not isinstance(given, dict) or set(given) - {"title", "criteria"}:
        raise BadRow(f'{where} is {given!r:.60}, expected "title" and "criteria"')
    criteria = given.get("criteria")
    if not isinstance(criteria, dict) or not criteria:
        raise BadRow(f'{where}: "criteria" is {criteria!r:.60}, expected a criterion: points each')
    for criterion, points in criteria.items():
        if isinstance(points, bool) or not isinstance(points, int) or points < 1:
            raise BadRow(
                f"{where}: {criterion!r} has {points!r} points, expected a whole number > 0"
            )
    return Question(name=name, title=str(given.get("title") or name), criteria=criteria)


def read_marks(path: Path, students: Sequence[str], questions: Sequence[Question]) -> Marks:
    """What was filled in so far. Raises BadRow for what isn't in the class or in the rubric."""
    known = {question.name: question for question in questions}
    found: dict[tuple[str, str, str], Given] = {}
    for row in read_rows(path, COLUMNS) if path.exists() else ():
        if not row["points"] and not row["comment"]:
            continue  # never filled in, whoever has left the class
        student = row.one_of("student", students, "a student as grades.csv calls them")
        question = known[row.one_of("question", known, "a question of the rubric")]
        criterion = row.one_of("criterion", question.criteria, "a criterion of the question")
        key = student, question.name, criterion
        if key in found:
            raise BadRow(
                f"{row.place}: a second row for {student!r} and {criterion!r}, expected one"
            )
        points = row.amount("points", question.criteria[criterion]) if row["points"] else None
        found[key] = Given(points, row["comment"])
    return found


def write_marks(
    path: Path, students: Sequence[Student], questions: Sequence[Question], marks: Marks
) -> None:
    """The table to fill in, with what is there already; a question's rows together."""
    rows = [
        [
            Id(student.submission.student),
            name_of(student),
            " ".join(student.submission.files),
            question.name,
            criterion,
            most,
            given.points,
            given.comment,
        ]
        for question in questions
        for student in students
        for criterion, most in question.criteria.items()
        for given in [marks.get((student.submission.student, question.name, criterion), Given())]
    ]
    write_rows(path, ALL, rows)


def apply(
    questions: Sequence[Question], marks: Marks, results: Mapping[str, Result], empty: set[str]
) -> dict[str, Result]:
    """The results with a part for each question. empty: who handed nothing in, and gets none."""
    return {
        student: replace(
            result,
            graded=(
                *result.graded,
                *(_graded(student, question, marks, student in empty) for question in questions),
            ),
        )
        for student, result in results.items()
    }


def _graded(student: str, question: Question, marks: Marks, empty: bool) -> Graded:
    given = {c: marks.get((student, question.name, c), Given()) for c in question.criteria}
    none = Graded(exercise=question.name, points=0.0, out_of=question.points, status=OPEN)
    if any(one.points is None for one in given.values()):
        untouched = all(one.points is None for one in given.values())
        return replace(none, status="not attempted") if empty and untouched else none
    tests = tuple(
        (one.points == most, f"{c}: {number(one.points or 0.0)} of {most}")
        for (c, one), most in zip(given.items(), question.criteria.values(), strict=True)
    )
    points = sum(one.points or 0.0 for one in given.values())
    said = " · ".join(f"{c}: {one.comment}" for c, one in given.items() if one.comment)
    return replace(none, points=points, status=BY_HAND, tests=tests, note=said)
