"""Grade one submission: secret inputs in, plain values out, compared here with the right answer.

    grade(submission, secret=b"…")   ->   Result, with a `Graded` for each exercise

Each answer runs in a sandbox, and is examined by the same `Exercise.examine` as in the notebook,
with three secret seeds. The worst of the three counts. What the student gets to read holds the
tests' labels, the mistake's name and the answer's own traceback, never an input or a right value.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from course_lib.checks import catalogue
from course_lib.checks.exercise import Exercise
from course_lib.checks.report import CheckReport
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.sandbox.bubblewrap import Limits
from course_lib.grading.sandbox.pool import Pool, Worker
from course_lib.grading.sandbox.remote import Remote
from course_lib.grading.sandbox.session import Ended
from course_lib.grading.screen import (
    clean,
    forbidden_in,
    looks_names_up,
    without_values,
    without_values_in_error,
)

SEEDS = 3
LONGEST = 5  # times the limit: when a check whose own threads wait for each other is given up
MAX_SOURCE = 200_000  # characters of one answer
SENT, MAX_SENT = ("said", "frames"), 2_000  # of an error: its texts, and their characters
EXAMINING = "examining an answer"  # the name of a thread
SUSPECT = (
    "ended the worker",
    "ended by ",
    "ended without a reply",
    "sent no JSON",
    "not gradable",
    "too much output",
    "out of memory",
)


def grade(
    submission: Submission,
    secret: bytes | int | str,
    *,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    sandboxed: bool = True,
    pool: Pool | None = None,
    exercises: Mapping[str, Exercise] | None = None,
) -> Result:
    """Grade every answer of a submission, all in one worker. An answer "" was not attempted.

    pool: hands out workers that were started beforehand; without one, a worker is started here.
    exercises: by name; without them, the course's own. Raises NoSandbox where no sandbox can be
    had, ValueError for an unknown exercise or constant.
    """
    known, began = exercises if exercises is not None else catalogue(), time.monotonic()

    def worker() -> contextlib.AbstractContextManager[Worker]:
        return pool.worker() if pool else Worker(limits, sandboxed=sandboxed)

    return Result(
        student=submission.student,
        digest="",
        graded=tuple(each(submission, secret, known, worker)),
        problems=submission.problems,
        seconds=time.monotonic() - began,
        sandboxed=pool.sandboxed if pool else sandboxed,
    )


def each(
    submission: Submission,
    secret: bytes | int | str,
    known: Mapping[str, Exercise],
    start: Callable[[], contextlib.AbstractContextManager[Worker]],
) -> Iterator[Graded]:
    """Answer after answer, as they are graded. start: gives the worker, where one is needed."""
    with contextlib.ExitStack() as stack:
        worker: Worker | None = None
        for name, source in submission.answers.items():
            if name not in known:
                raise ValueError(f"no exercise {name!r}, there are {', '.join(known)}")
            exercise = known[name].variant(**submission.constants.get(name, {}))
            outcome = _without_running(exercise, source)
            if outcome is None:
                if worker is None:
                    worker = stack.enter_context(start())
                outcome = grade_answer(exercise, source, secret, worker)
            yield outcome


def seeds_for(secret: bytes | int | str, exercise: str, source: str) -> list[int]:
    """The secret seeds of one answer. They depend on its text.

    A student who learns something of the inputs from a traceback, and changes the answer to make
    use of it, is given other inputs.
    """
    plain = secret if isinstance(secret, bytes) else str(secret).encode()
    text = source.encode("utf-8", "replace")
    digest = hashlib.sha256(b"\0".join([plain, exercise.encode(), text])).digest()
    return [int.from_bytes(digest[4 * k : 4 * k + 4], "big") >> 1 for k in range(SEEDS)]


def _without_running(exercise: Exercise, source: str) -> Graded | None:
    """The grade where nothing needs to run: no answer, one that is too long, a forbidden name."""
    none = Graded(exercise=exercise.name, points=0.0, out_of=exercise.points, status="")
    if not source.strip():
        return replace(none, status="not attempted")
    if len(source) > MAX_SOURCE:
        said = f"The answer has {len(source):,} characters; at most {MAX_SOURCE:,} are graded."
        return replace(none, status="too long", said=said, review="a very long answer")
    if used := forbidden_in(source, exercise.forbidden):
        names = ", ".join(f"`{name}`" for name in used)
        said = f"The answer uses {names}, which this exercise asks you to do without."
        return replace(none, status="forbidden", said=said, review=f"uses {names}")
    return None


def grade_answer(
    exercise: Exercise,
    source: str,
    secret: bytes | int | str,
    worker: Worker,
    seconds: float | int | None = None,
) -> Graded:
    """Examine an answer with each seed, in a new process each time; the lowest share counts.

    seconds: how long it may take, all seeds together (the limit of the worker, if left out).
    """
    seconds = worker.limits.wall_seconds if seconds is None else seconds
    worker.wait_ready()
    began, used = time.monotonic(), 0.0
    reports: list[CheckReport] = []
    status, said = "", ""
    for seed in seeds_for(secret, exercise.name, source):
        try:
            with worker.open(source, exercise.answer, seconds - used) as (session, word):
                status, said = _loaded(word, exercise)
                if not status:
                    reports.append(_examined(exercise, Remote(worker, session), seed, seconds))
                used += session.waited
        except Ended as ended:
            status = str(ended.args[0])
        if status or reports[-1].share == 0:
            break
    spent = time.monotonic() - began
    if status:
        low = Graded(
            exercise=exercise.name,
            points=0.0,
            out_of=exercise.points,
            status=status,
            said=said,
            review=_suspicion(status),
        )
    else:
        low = _verdict(exercise, source, reports)
    return replace(low, seconds=spent)


def _loaded(word: Mapping[str, Any], exercise: Exercise) -> tuple[str, str]:
    """The status after loading ("" where the answer can be called), and what to say about it."""
    if word.get("status") == "loaded":
        return "", ""
    if word.get("status") == "no function":
        return "no function", f"There is no function called `{exercise.answer}`."
    error = word.get("error") if isinstance(word.get("error"), dict) else {}
    said, frames = (error.get(k) if isinstance(error.get(k), str) else "" for k in SENT)
    text = f"It raised {said[:MAX_SENT] or 'something'}\n{frames[-MAX_SENT:]}"
    return "did not load", without_values_in_error(clean(text).rstrip())


def _examined(exercise: Exercise, remote: Remote, seed: int, seconds: float | int) -> CheckReport:
    """The report. Raises Ended. In a thread: a harness may wait for a message that never comes."""
    found: list[CheckReport | BaseException] = []
    began = time.monotonic()

    def run() -> None:
        try:
            found.append(
                replace(exercise, compare=_false_on_error(exercise.compare)).examine(remote, seed)
            )
        except BaseException as error:  # Ended, or a check that met what it can't judge
            found.append(error)

    thread = threading.Thread(target=run, name=EXAMINING, daemon=True)
    thread.start()
    while not found:
        thread.join(0.2)
        if remote.session.ended is not None:  # the harness, if it still waits, waits in vain
            thread.join(1.0)
            raise Ended(remote.session.ended)
        if time.monotonic() - began > LONGEST * seconds:
            raise Ended("out of time")
    if remote.session.ended is not None:
        raise Ended(remote.session.ended)
    if isinstance(found[0], CheckReport):
        return found[0]
    if isinstance(found[0], Ended):
        raise found[0]
    raise Ended(f"not gradable: {type(found[0]).__name__}: {clean(str(found[0]))[:200]}")


def still_examining() -> bool:
    """Whether a check that was given up on still runs, and would slow the next answer."""
    return any(thread.name == EXAMINING for thread in threading.enumerate())


def _false_on_error(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """The comparison; False where it fails on what was sent (an integer of 4,000 digits, …)."""

    def run(got: Any, want: Any) -> bool:
        try:
            return bool(compare(got, want))
        except Exception:  # whatever was sent, it is not the right value
            return False

    return run


def _verdict(exercise: Exercise, source: str, reports: list[CheckReport]) -> Graded:
    worst = min(reports, key=lambda report: report.share)
    points = round(worst.share * exercise.points, 2)
    first = worst.smallest_failure
    detail = clean(first.detail) if first else ""
    if detail.startswith("Nothing here yet"):
        return Graded(
            exercise=exercise.name,
            points=0.0,
            out_of=exercise.points,
            status="not attempted",
            tests=_tests(worst),
        )
    status = "passed" if worst.share == 1 else "partly" if worst.share > 0 else "wrong"
    review = ""
    if max(report.share for report in reports) - worst.share > 0.5:
        review = "right for some seeds, wrong for others: is it flaky?"
    elif exercise.forbidden and worst.share > 0 and looks_names_up(source):
        review = "looks names up at run time, in an exercise that forbids some"
    return Graded(
        exercise=exercise.name,
        points=points,
        out_of=exercise.points,
        status=status,
        tests=_tests(worst),
        mistake=worst.mistake,
        said=without_values(detail),
        review=review,
    )


def _tests(report: CheckReport) -> tuple[tuple[bool, str], ...]:
    return tuple((finding.passed, finding.what) for finding in report.findings)


def _suspicion(status: str) -> str:
    return f"the answer {status}" if status.startswith(SUSPECT) else ""
