"""From what the tests gave to what counts: decisions of people, then late days.

All tables lie in the report's folder, beside results/, which holds what the tests gave alone.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from course_lib.grading.intake.notebook import decoded
from course_lib.grading.intake.roster import Roster
from course_lib.grading.intake.submission import Student
from course_lib.grading.marks import by_hand, late, overrides
from course_lib.grading.marks.rows import BadRow, one_of
from course_lib.grading.outcome import Result, Submission
from course_lib.grading.reports.tally import Look

LATE, BY_HAND = KEYS = ("late", "by hand")  # of an assignment.json, for people to write
Decision = tuple[str, str, str, str]  # student, exercise, points, reason


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What assignment.json says of marks, besides the exercises."""

    policy: late.Policy | None = None
    questions: tuple[by_hand.Question, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What people wrote down. decision: one that is new, from the command line."""

    decided: Sequence[overrides.Override] = ()
    marks: by_hand.Marks = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)
    decision: Decision | None = None


def read_settings(path: Path | None) -> Settings:
    """Of an assignment.json; of any other roster, none. Raises BadRow."""
    if path is None or path.suffix != ".json":
        return Settings()
    data = json.loads(decoded(path.read_bytes())[0])
    return Settings(
        policy=late.policy_of(data[LATE], path.name) if LATE in data else None,
        questions=by_hand.questions_of(data.get(BY_HAND, {}), path.name),
    )


def read_tables(
    out: Path,
    students: Sequence[Student],
    out_of: Mapping[str, int],
    settings: Settings,
    roster: Roster = Roster(),  # noqa: B008  (frozen)
    handed_in: Path | None = None,
    decision: Decision | None = None,
) -> Tables:
    """All that people wrote down. out_of: exercise -> what can be had.

    Raises BadRow for what can't be, the decision included: before anybody is graded.
    """
    names = [student.submission.student for student in students]
    if decision:
        overrides.decide(decision, {}, names, out_of)
    return Tables(
        decided=overrides.read_overrides(out / overrides.FILE, names, out_of),
        marks=by_hand.read_marks(out / by_hand.FILE, names, settings.questions),
        times=_times(settings, handed_in, students, roster),
        decision=decision,
    )


def settle(
    out: Path,
    students: Sequence[Student],
    results: Mapping[str, Result],
    out_of: Mapping[str, int],
    settings: Settings,
    tables: Tables,
) -> tuple[dict[str, Result], list[Look]]:
    """What counts, and whom somebody should look at. Writes the decision and what is to be marked.

    results: what the tests gave.
    """
    decided = list(tables.decided)
    if tables.decision:
        names = [student.submission.student for student in students]
        decided.append(overrides.decide(tables.decision, results, names, out_of))
        decided = overrides.write_overrides(out / overrides.FILE, decided)
    if settings.questions:
        by_hand.write_marks(out / by_hand.FILE, students, settings.questions, tables.marks)
    made, looks = overrides.apply(decided, results)
    empty = {s.submission.student for s in students if not s.submission.files}
    made = by_hand.apply(settings.questions, tables.marks, made, empty)
    if settings.policy:
        made, unknown = late.apply(settings.policy, tables.times, students, made)
        looks += unknown
    return made, looks


def again(
    names: Sequence[str],
    submissions: Sequence[Submission],
    digest: Callable[[Submission], str],
    folder: Path,
) -> None:
    """Forget the kept results of these students, so that they are graded anew. Raises BadRow."""
    by_name = {one.student: one for one in submissions}
    for name in names:
        one_of(name, by_name, "a student as grades.csv calls them", "--regrade")
    for name in names:
        (folder / f"{digest(by_name[name])}.json").unlink(missing_ok=True)


def _times(settings: Settings, path: Path | None, students: Sequence[Student], roster: Roster):
    """When each came, by the table; without one, nobody's is known."""
    if settings.policy is None:
        if path:
            raise BadRow(f'--handed-in {path}: expected "late" in assignment.json to go with it')
        return {}
    if path is None:
        raise BadRow('assignment.json has "late" days: expected --handed-in, a table of times')
    return late.read_times(path, students, roster, settings.policy)
