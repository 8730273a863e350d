"""Grades as spreadsheets: our own table, and those that Canvas and Moodle take in.

Spreadsheets run a cell that begins like a formula. Every text that could is given an apostrophe in
front, which they show as text; numbers stay numbers.
"""

import csv
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Result
from course_lib.grading.reports.words import OPEN, counts_nothing

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
PLAIN_ID = re.compile(r"-?\w[\w.@ -]*")  # calls no function, whatever it begins with
UNSAFE = "NO SANDBOX"


class Id(str):
    """A student's login or number. Platforms look it up, so "-7" has to stay as it is."""


def cell(value: object, limit: int = 1_000) -> object:
    """A value as a spreadsheet may read it; a text of at most limit characters."""
    if isinstance(value, Id) and PLAIN_ID.fullmatch(value):
        return str(value)
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = plain_text(value, limit)
    return f"'{text}" if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text


def write_csv(path: Path, rows: Sequence[Sequence[object]], limit: int = 1_000) -> None:
    """The rows, safe to open. Written whole: a kill leaves the old file or the new one."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([[cell(value, limit) for value in row] for row in rows])
    partial.replace(path)


def status_of(student: Student, result: Result | None) -> str:
    """One word or two for the whole submission."""
    if result is None:
        return "not graded yet"
    if not student.submission.files:
        return "nothing handed in"
    if any(one.review for one in result.graded):
        return "look at by hand"
    kinds = {one.status for one in result.graded}
    if OPEN in kinds:
        return OPEN
    if result.graded and all(one.points >= one.out_of for one in result.graded):
        return "passed"
    if kinds <= {"not attempted"}:
        return "not attempted"
    return "partly" if result.points else "wrong"


def grades_rows(
    students: Sequence[Student], results: dict[str, Result], exercises: Sequence[str]
) -> list[list[object]]:
    """grades.csv: one row a student, one column an exercise."""
    head = [
        "student",
        "name",
        *exercises,
        "points",
        "out of",
        "percent",
        "status",
        "seconds",
        "sandbox",
        "late",
        "problems",
    ]
    rows: list[list[object]] = [head]
    for student in students:
        result = results.get(student.submission.student)
        points = {g.exercise: g.points for g in result.graded} if result else {}
        row = [
            Id(student.submission.student),
            name_of(student),
            *(points.get(e) for e in exercises),
        ]
        if result is None:
            row += [None, None, None]
        else:
            percent = 100 * result.points / result.out_of if result.out_of else 0.0
            row += [round(result.points, 2), result.out_of, round(percent, 1)]
        row.append(status_of(student, result))
        row.append(round(result.seconds, 2) if result else None)
        row.append("" if result is None else "yes" if result.sandboxed else UNSAFE)
        row.append(-result.deduction if result and result.deduction else None)
        rows.append([*row, "; ".join(student.submission.problems)])
    return rows


def name_of(student: Student) -> str:
    """The name on the roster, or what the platform calls the student."""
    found = student.person.get("name", "full name", "student")
    return found or student.submission.student


def canvas_rows(
    students: Sequence[Student], results: dict[str, Result], out_of: int, assignment: str
) -> list[list[object]]:
    """Canvas's gradebook: five columns that name the student, then the assignment.

    Canvas matches students by the numbers, of which the roster, or else the name of the file,
    knows at least one. The second row holds the points that can be had.
    """
    if any(not result.sandboxed for result in results.values()):
        assignment = f"{assignment} ({UNSAFE})"
    columns = ("ID", "SIS User ID", "SIS Login ID", "Section")
    rows: list[list[object]] = [
        ["Student", *columns, assignment],
        ["    Points Possible", "", "", "", "", out_of],
    ]
    for student in students:
        known = [student.person.get(column) for column in columns]
        if not known[0] and student.origin and student.origin.platform == "canvas":
            known[0] = student.origin.ids[0]
        result = results.get(student.submission.student)
        rows.append(
            [name_of(student), *map(Id, known), round(result.points, 2) if result else None]
        )
    return rows


def moodle_rows(
    students: Sequence[Student], results: dict[str, Result], out_of: int
) -> list[list[object]]:
    """Moodle's grading worksheet. Feedback there is HTML, so the student's text is escaped."""
    head = ["Identifier", "Full name", "Email address", "Grade", "Maximum Grade"]
    changed = "Last modified (grade)"
    rows: list[list[object]] = [[*head, changed, "Feedback comments"]]
    for student in students:
        identifier = student.person.get("identifier")
        if not identifier and student.origin and student.origin.platform == "moodle":
            identifier = student.origin.ids[1]
        email = student.person.get("email address", "email")
        result = results.get(student.submission.student)
        points = round(result.points, 2) if result else None
        said = escape(comment(result)) if result else "not graded yet"
        since = student.person.get(changed) or "-"  # what Moodle compares its own grade's age with
        rows.append([Id(identifier), name_of(student), email, points, out_of, since, said])
    return rows


def comment(result: Result) -> str:
    """The result in a few lines of plain text."""
    lines = [] if result.sandboxed else [f"{UNSAFE}: don't give marks by this."]
    for one in result.graded:
        said = f"{one.exercise}: {one.points:g} of {one.out_of} ({one.status})"
        lines.append(
            " ".join(t for t in (f"{said}.", one.note, counts_nothing(one), one.mistake) if t)
        )
    return plain_text("\n".join([*lines, *filter(None, [result.note]), *result.problems]))
