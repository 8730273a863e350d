"""Writes the report of a class: grades.csv, what the platforms take in, and pages to read."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.checks.exercise import Exercise
from course_lib.grading.batch import Outcome
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Result
from course_lib.grading.reports import held, lms, pages, tally
from course_lib.grading.reports.copies.compare import near_copies
from course_lib.grading.reports.copies.published import Published
from course_lib.grading.reports.gradescope import results_json
from course_lib.grading.reports.summary import Class, summary
from course_lib.grading.reports.tally import Look
from course_lib.grading.reports.words import About


def slug(student: str) -> str:
    """A student as the name of a file: plain, and never another student's."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", student).strip("-")[:40]
    if plain and plain == student:
        return plain
    return f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:6]}".lstrip("-")


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What a report holds besides the tests' results.

    date: of the grading, as it's shown. people: the roster's students. questions: those that are
    marked by hand: name -> title and points. looks: further ones to look at by hand. export:
    write Canvas's and Moodle's tables whatever `held` says. published: notebooks and solutions;
    None where they aren't there to compare answers with.
    """

    date: str = ""
    people: Collection[str] = ()
    questions: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    looks: Sequence[Look] = ()
    export: bool = False
    published: Mapping[str, Published] | None = None


def write_report(
    out: Path,
    students: Sequence[Student],
    outcome: Outcome,
    wanted: Sequence[str],
    exercises: Mapping[str, Exercise],
    assignment: str = "Exercises",
    extra: Extra = Extra(),  # noqa: B008  (frozen)
) -> list[str]:
    """All of it, from what is graded so far. Returns why marks shouldn't leave the house yet."""
    results = dict(outcome.results)
    columns = [*wanted, *extra.questions]
    why = held.reasons(students, results, extra.people)
    out.mkdir(parents=True, exist_ok=True)
    lms.write_csv(out / "grades.csv", lms.grades_rows(students, results, columns))
    out_of = sum(exercises[name].points for name in wanted)
    out_of += sum(points for _, points in extra.questions.values())
    _platforms(out, students, results, out_of, assignment, bool(why) and not extra.export)
    about = About(
        title=assignment,
        date=extra.date,
        names={s.submission.student: lms.name_of(s) for s in students},
        titles={name: title for name, (title, _) in extra.questions.items()},
    )
    links = {}
    for student in students:
        who = student.submission.student
        if who not in results:
            continue
        name = slug(who)
        links[who] = f"feedback/{name}.html"
        answers = student.submission.answers
        _write(out / links[who], pages.feedback(results[who], exercises, about, answers))
        data = json.dumps(results_json(results[who], exercises), indent=1) + "\n"
        _write(out / "gradescope" / name / "results.json", data)
    sources = {s.submission.student: s.submission.answers for s in students}
    of = Class(
        students=students,
        results=results,
        exercises=wanted,
        about=about,
        links=links,
        looks=[*extra.looks, *tally.to_look_at([results[who] for who in links])],
        alike=near_copies(sources, extra.published or {}, about),
        published=extra.published is not None,
        held=why,
    )
    _write(out / "summary.html", summary(of))
    return why


def _platforms(
    out: Path,
    students: Sequence[Student],
    results: dict[str, Result],
    out_of: int,
    assignment: str,
    held_back: bool,
) -> None:
    """What Canvas and Moodle take in; held back, also what is there from before goes."""
    canvas, moodle = out / "canvas.csv", out / "moodle.csv"
    if held_back:
        canvas.unlink(missing_ok=True)
        moodle.unlink(missing_ok=True)
        return
    lms.write_csv(canvas, lms.canvas_rows(students, results, out_of, assignment))
    lms.write_csv(moodle, lms.moodle_rows(students, results, out_of))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
