"""Late days: how many cost nothing, and what each further one costs.

The policy stands in assignment.json. When each hand-in came is in a table of your own (student,
handed in), or in Moodle's grading worksheet.

    "late": {"due": "2026-10-05T23:59", "free_days": 2, "percent_a_day": 10, "most_days": 5}

A day that has begun is a day. A student's row of the roster may have free days of its own, in the
column "free late days": what is left of a term's, or an extension.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from course_lib.grading.intake.roster import KEYS, Roster, read_roster
from course_lib.grading.intake.submission import Student
from course_lib.grading.marks.rows import BadRow, amount
from course_lib.grading.outcome import Result
from course_lib.grading.reports.tally import Look
from course_lib.grading.reports.words import number

TIMES = ("handed in", "last modified (submission)")
FREE = "free late days"
MOODLE = "%A, %d %B %Y, %I:%M %p"  # Monday, 5 October 2026, 11:58 PM
FORM = "2026-10-05T23:59"
OPTIONS = ("due", "free_days", "percent_a_day", "most_days")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """When it is due, the days that cost nothing, what each other costs, and how many there are.

    percent_a_day: of the points reached. most_days: later than that, it counts 0; None: no end.
    """

    due: datetime
    free_days: int = 0
    percent_a_day: float | int = 10
    most_days: int | None = None

    def days_late(self, handed_in: datetime) -> int:
        """Days that have begun after the due time; 0 before it."""
        return max(0, math.ceil((handed_in - self.due) / timedelta(days=1)))


def policy_of(data: Any, place: str) -> Policy:
    """The policy as it stands in a file. Raises BadRow."""
    where = f'{place}: "late"'
    if not isinstance(data, dict) or "due" not in data:
        raise BadRow(f'{where} is {data!r:.60}, expected at least {{"due": "{FORM}"}}')
    if unknown := [key for key in data if key not in OPTIONS]:
        raise BadRow(f"{where} has {unknown[0]!r}, expected {', '.join(OPTIONS)}")
    most = data.get("most_days")
    return Policy(
        due=moment(data["due"], f"{where}: due"),
        free_days=_days(data.get("free_days", 0), f"{where}: free_days"),
        percent_a_day=amount(str(data.get("percent_a_day", 10)), 100, f"{where}: percent_a_day"),
        most_days=None if most is None else _days(most, f"{where}: most_days"),
    )


def _days(value: Any, where: str) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()) or int(text) > 366:
        raise BadRow(f"{where} is {value!r}, expected whole days from 0 to 366")
    return int(text)


def moment(text: Any, where: str) -> datetime:
    """A date with its time, as ISO 8601 or as Moodle writes it. Raises BadRow."""
    given = str(text).strip()
    for read in (datetime.fromisoformat, lambda t: datetime.strptime(t, MOODLE)):
        try:
            found = read(given)
        except ValueError:
            continue
        if ":" in given:  # a date alone could mean its beginning or its end
            return found
    raise BadRow(f"{where} is {given[:60]!r}, expected a date and a time, as {FORM}")


def read_times(
    path: Path, students: Sequence[Student], roster: Roster, policy: Policy
) -> dict[str, datetime]:
    """Student -> when the last of it came. Raises BadRow for a time or a student that can't be."""
    people = {person.student: person for person in roster.people}
    people |= {s.submission.student: s.person for s in students}
    known = Roster(people=tuple(people.values()))
    found: dict[str, datetime] = {}
    for row in read_roster(path).people:
        text = row.get(*TIMES)
        if not text and not {c.strip().casefold() for c in row.row} & set(TIMES):
            raise BadRow(f"{path}: no column {TIMES[0]!r}, expected {' or '.join(TIMES)}")
        if text in ("", "-"):  # Moodle's sign for nothing handed in
            continue
        whose = known.find(row.student, *(row.get(column) for column in KEYS))
        if whose is None:
            raise BadRow(f"{path}: student is {row.student!r}, expected one of the class")
        at = moment(text, f"{path}: handed in, of {row.student}")
        if at.tzinfo is None:
            at = at.replace(tzinfo=policy.due.tzinfo)
        elif policy.due.tzinfo is None:
            raise BadRow(f"{path}: {text!r} has a time zone, expected one in the policy's due too")
        found[whose.student] = max(at, found.get(whose.student, at))
    return found


def apply(
    policy: Policy,
    times: Mapping[str, datetime],
    students: Sequence[Student],
    results: Mapping[str, Result],
) -> tuple[dict[str, Result], list[Look]]:
    """The results less what lateness costs, and of whom the time isn't known."""
    changed, looks = dict(results), []
    for student in students:
        who = student.submission.student
        if who not in results or not student.submission.files:
            continue
        if who not in times:
            why = "when it was handed in isn't known: no late day was counted"
            looks.append(Look(student=who, exercise="", why=why))
            continue
        own = student.person.get(FREE)
        free = _days(own, f"the roster: {FREE}, of {who}") if own else policy.free_days
        days = policy.days_late(times[who])
        if days:
            changed[who] = _late(results[who], days, free, policy)
    return changed, looks


def _late(result: Result, days: int, free: int, policy: Policy) -> Result:
    points = result.points
    if policy.most_days is not None and days > policy.most_days:
        said = f"{_in_words(days)} late: after {_in_words(policy.most_days)} it counts 0."
        return replace(result, deduction=points, note=said)
    paid = max(0, days - free)
    less = min(1.0, paid * policy.percent_a_day / 100)
    said = f"{_in_words(days)} late, {min(days, free)} without cost"
    if not less:
        return replace(result, note=f"{said}.")
    taken = round(points * less, 2)
    said = f"{said}: {100 * less:g} % less, {number(taken)} of {number(points)} points."
    return replace(result, deduction=taken, note=said)


def _in_words(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"
