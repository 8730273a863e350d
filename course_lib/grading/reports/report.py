"""Writes the report of a class: grades.csv, what the platforms take in, and pages to read."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from course_lib.checks.exercise import Exercise
from course_lib.grading.batch import Outcome
from course_lib.grading.intake.submission import Student
from course_lib.grading.reports import lms, pages, tally
from course_lib.grading.reports.gradescope import results_json
from course_lib.grading.reports.summary import Class, summary
from course_lib.grading.reports.words import About


def slug(student: str) -> str:
    """A student as the name of a file: plain, and never another student's."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", student).strip("-")[:40]
    if plain and plain == student:
        return plain
    return f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:6]}".lstrip("-")


def write_report(
    out: Path,
    students: Sequence[Student],
    outcome: Outcome,
    wanted: Sequence[str],
    exercises: Mapping[str, Exercise],
    assignment: str = "Exercises",
    date: str = "",
) -> None:
    """All of it, from what is graded so far. date: of the grading, as it's shown."""
    results = dict(outcome.results)
    out_of = sum(exercises[name].points for name in wanted)
    out.mkdir(parents=True, exist_ok=True)
    lms.write_csv(out / "grades.csv", lms.grades_rows(students, results, wanted))
    lms.write_csv(out / "canvas.csv", lms.canvas_rows(students, results, out_of, assignment))
    lms.write_csv(out / "moodle.csv", lms.moodle_rows(students, results, out_of))
    names = {s.submission.student: lms.name_of(s) for s in students}
    about = About(title=assignment, date=date, names=names)
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
        looks=tally.to_look_at([results[who] for who in links], sources, about),
    )
    _write(out / "summary.html", summary(of))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
