"""Why the tables for Canvas and Moodle are held back: zeros that nobody has earned.

A file that matches nobody on the roster may be the missing work of somebody who would get 0.
"""

from collections.abc import Collection, Mapping, Sequence

from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Result
from course_lib.grading.reports.words import OPEN

SHOWN = 8


def unmatched(students: Sequence[Student], people: Collection[str]) -> list[Student]:
    """Whose files belong to nobody on the roster. people: its students; none, no roster."""
    return [s for s in students if people and s.submission.student not in people]


def reasons(
    students: Sequence[Student], results: Mapping[str, Result], people: Collection[str] = ()
) -> list[str]:
    """Each reason in words, with the names; empty where every mark may leave the house."""
    said = []
    strangers = [s.submission for s in unmatched(students, people)]
    zeros = [
        name
        for name in (s.submission.student for s in students)
        if name in people and _has(results.get(name), "not attempted")
    ]
    if strangers and zeros:
        files = [f"{s.student} ({_few(s.files)})" if s.files else s.student for s in strangers]
        said.append(
            f"{_few(files)}: on no row of the roster, while {_few(zeros)} would get 0 for what "
            "wasn't found. Give what the files are called in a further column of the roster"
        )
    elif strangers:
        names = _few([s.student for s in strangers])
        said.append(f"{names}: on no row of the roster, so no platform will find them")
    ours = [name for name, result in results.items() if _has(result, "not grad")]
    if ours:
        said.append(
            f"{_few(ours)}: not graded by a fault of the grader. Grade them again: --regrade"
        )
    open_ = [name for name, result in results.items() if _has(result, OPEN)]
    if open_:
        said.append(f"{_few(open_)}: still to be marked by hand, in by_hand.csv")
    return said


def _has(result: Result | None, status: str) -> bool:
    """Whether an exercise stands so, and no person has decided on it."""
    graded = result.graded if result else ()
    return any(one.status.startswith(status) and not one.note for one in graded)


def _few(names: Sequence[str]) -> str:
    """The first of them, and how many more."""
    shown = ", ".join(plain_text(name, 60) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
