"""The demo's class graded and recorded, for the instructors' page."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from course_lib.artifacts import Progress
from course_lib.checks import catalogue
from course_lib.experiments import experiment
from course_lib.grading import batch
from course_lib.grading.demo import NAMES, WRONG_UNTIL, login, write_class
from course_lib.grading.demo_answers import ATTENTION, FUNCTIONS, HOSTILE
from course_lib.grading.intake.roster import read_roster
from course_lib.grading.intake.submission import read_class
from course_lib.grading.judges import Judges
from course_lib.grading.outcome import Result
from course_lib.grading.reports import tally
from course_lib.grading.reports.lms import status_of
from course_lib.grading.reports.report import write_report
from course_lib.grading.sandbox.bubblewrap import Limits
from course_lib.grading.sandbox.probe import require


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """How the class is graded. The secret is no secret here, so that the record can be repeated."""

    workers: int = 2
    secret: str = "the demo's own secret, known to all"


@experiment(config=DemoConfig())
def run(config: DemoConfig, work: Path, progress: Progress) -> dict:
    """Make the class, grade it, and keep what its summary shows."""
    require()
    began = time.monotonic()
    submissions, assignment = write_class(work)
    exercises, limits, secret = catalogue(), Limits(), config.secret.encode()
    students, wanted = read_class(submissions, exercises, read_roster(assignment))
    read = time.monotonic() - began
    key = batch.Key(secret=secret, exercises=exercises, limits=limits)
    with Judges(secret, limits) as judges:
        outcome = batch.grade_class(
            [s.submission for s in students],
            judges.grade,
            key,
            work / "results",
            workers=config.workers,
            progress=lambda done, total, text: progress(done / total, text),
        )
    if outcome.interrupted:
        raise KeyboardInterrupt
    write_report(work, students, outcome, wanted, exercises)
    results = [outcome.results[s.submission.student] for s in students]
    return {
        "seconds": round(time.monotonic() - began, 1),
        "seconds_reading": round(read, 1),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[1], 1),  # over five minutes: who else was at work
        "graded_now": outcome.graded,
        "kept": outcome.kept,
        "distribution": tally.distribution(results),
        "items": [vars(item) for item in tally.items(results, tuple(FUNCTIONS))],
        "misconceptions": tally.misconceptions(results),
        "endings": dict(tally.endings(results)),
        "hostile": [
            {"tried": what, "points": result.points, "status": _attack_status(result)}
            for what, result in zip(HOSTILE, _hostile(outcome), strict=False)
        ],
        "looks": [
            vars(look) for look in tally.to_look_at(results) if look.why != "nothing was handed in"
        ],
        "students": [
            {
                "student": r.student,
                "points": r.points,
                "out_of": r.out_of,
                "seconds": round(r.seconds, 2),
                "status": status_of(s, r),
                "statuses": [g.status for g in r.graded],
            }
            for s, r in zip(students, results, strict=True)
        ],
    }


def _hostile(outcome: batch.Outcome) -> list[Result]:
    return [outcome.results[login(name)] for name in NAMES[WRONG_UNTIL:]]


def _attack_status(result: Result) -> str:
    return next(g.status for g in result.graded if g.exercise == ATTENTION)
