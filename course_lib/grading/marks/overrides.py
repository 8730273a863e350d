"""A second look: points that a person gives in place of the tests', with the reason.

They lie in overrides.csv, beside the results and not among them, so that they survive grading
again. A row says what the tests gave when somebody looked: where they give something else now, the
decision still holds, and is named for another look.

    student,exercise,points,reason,tests gave
    ann,architecture/rope,8,"the sign is a slip: her derivation is right",0
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.grading.marks.rows import BadRow, amount, one_of, read_rows, write_rows
from course_lib.grading.outcome import Graded, Result
from course_lib.grading.reports.lms import Id
from course_lib.grading.reports.tally import Look
from course_lib.grading.reports.words import number

FILE = "overrides.csv"
COLUMNS = ("student", "exercise", "points", "reason")
SEEN = "tests gave"


@dataclass(frozen=True, kw_only=True)
class Override:
    """One decision. seen: the points that the tests gave then; None where it isn't known."""

    student: str
    exercise: str
    points: float
    reason: str
    seen: float | None = None


def read_overrides(
    path: Path, students: Collection[str], out_of: Mapping[str, int]
) -> list[Override]:
    """The decisions, none where there is no file yet.

    out_of: exercise -> what can be had. Raises BadRow for a student, an exercise or points that
    can't be, for a missing reason, and for two rows on one thing.
    """
    found: dict[tuple[str, str], Override] = {}
    for row in read_rows(path, COLUMNS) if path.exists() else ():
        exercise = row.one_of("exercise", out_of, "an exercise that is graded")
        one = Override(
            student=row.one_of("student", students, "a student as grades.csv calls them"),
            exercise=exercise,
            points=row.amount("points", out_of[exercise]),
            reason=_reason(row["reason"], f"{row.place}: reason"),
            seen=row.amount(SEEN, out_of[exercise]) if row[SEEN] else None,
        )
        if (one.student, exercise) in found:
            raise BadRow(
                f"{row.place}: a second row for {one.student!r} and {exercise}, expected one"
            )
        found[one.student, exercise] = one
    return list(found.values())


def decide(
    given: tuple[str, str, str, str],
    results: Mapping[str, Result],
    students: Collection[str],
    out_of: Mapping[str, int],
) -> Override:
    """The decision that a command line gives: student, exercise, points, reason. Raises BadRow."""
    student = one_of(
        given[0], students, "a student as grades.csv calls them", "--override: student"
    )
    exercise = one_of(given[1], out_of, "an exercise that is graded", "--override: exercise")
    points = amount(given[2], out_of[exercise], "--override: points")
    before = _graded(results, student, exercise)
    return Override(
        student=student,
        exercise=exercise,
        points=points,
        reason=_reason(given[3], "--override: reason"),
        seen=before.points if before else None,
    )


def _reason(text: str, where: str) -> str:
    if not text.strip():
        raise BadRow(f"{where} is empty, expected why, in words that the student will read")
    return text.strip()


def write_overrides(path: Path, overrides: Sequence[Override]) -> list[Override]:
    """All of them, and they are returned; of two on one thing the later counts."""
    latest = {(one.student, one.exercise): one for one in overrides}
    rows = [[Id(o.student), o.exercise, o.points, o.reason, o.seen] for o in latest.values()]
    write_rows(path, (*COLUMNS, SEEN), rows)
    return list(latest.values())


def apply(
    overrides: Sequence[Override], results: Mapping[str, Result]
) -> tuple[dict[str, Result], list[Look]]:
    """The results with the decisions in them, and the decisions that want another look."""
    changed, looks = dict(results), []
    for one in overrides:
        before = _graded(results, one.student, one.exercise)
        if before is None:  # not graded yet
            continue
        was = number(before.points)
        said = f"A second look: {number(one.points)} points instead of {was}. {one.reason}"
        after = replace(before, points=one.points, note=said, review="")
        result = changed[one.student]
        graded = tuple(after if g.exercise == one.exercise else g for g in result.graded)
        changed[one.student] = replace(result, graded=graded)
        if one.seen is not None and one.seen != before.points:
            why = (
                f"the tests gave {number(one.seen)} when somebody decided on {number(one.points)}, "
                f"and give {was} now: does the decision still hold?"
            )
            looks.append(Look(student=one.student, exercise=one.exercise, why=why))
    return changed, looks


def _graded(results: Mapping[str, Result], student: str, exercise: str) -> Graded | None:
    result = results.get(student)
    return next((g for g in result.graded if g.exercise == exercise), None) if result else None
