"""Grades a class in one batch: several submissions at a time, equal ones once, results kept.

Each result is a JSON file, named by the digest of everything that it depends on: the answers, the
variant, the exercises' code, the judge's code, the secret and the limits. So an interrupted run
goes on where it stopped, a second run grades only what is new, and equal answers are graded once.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from course_lib import imports
from course_lib.checks.exercise import Exercise
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.outcome import Graded, Result, Submission

JUDGE = "course_lib.grading.judges"
FATAL = ("NoSandbox",)  # without a sandbox nobody can be graded: stop, and give no zeros
# How an answer ends by itself, whoever is graded beside it…
JUDGED = ("passed", "partly", "wrong", "not attempted", "no function", "forbidden", "too long")
JUDGED += ("did not load", "not graded")
# …unless it says that the machine gave it too little.
WANTS = ("MemoryError", "can't start new thread", "can't allocate memory", "[Errno 11]")
WANTS += ("[Errno 12]", "[Errno 28]")
Grade = Callable[[Submission], Result]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a grade depends on, besides the answers."""

    secret: bytes
    exercises: Mapping[str, Exercise]
    limits: Any = None
    sandboxed: bool = True
    codes: dict[str, str] = field(default_factory=dict)

    def digest(self, submission: Submission) -> str:
        """The hash of everything that the result depends on. Who handed it in doesn't count."""
        content = {
            "answers": {n: [text, self._code(n)] for n, text in submission.answers.items()},
            "constants": {n: dict(c) for n, c in submission.constants.items()},
            "secret": hashlib.sha256(self.secret).hexdigest(),
            "limits": repr(self.limits),
            "sandboxed": self.sandboxed,
        }
        text = json.dumps(content, sort_keys=True, default=repr)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]

    def _code(self, name: str) -> str:
        """Hash of the exercise's code and the judge's, with all that they import."""
        if name not in self.codes:
            module = getattr(self.exercises[name].cases, "__module__", "")
            modules = [m for m in (module, JUDGE) if imports.module_path(m or "")]
            self.codes[name] = imports.closure_hash(modules)
        return self.codes[name]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run. results: student -> result, of those who have one.

    graded, kept: how many contents were graded now, and how many were found from before.
    """

    results: Mapping[str, Result]
    graded: int
    kept: int
    interrupted: bool = False


def grade_class(
    submissions: Sequence[Submission],
    grade: Grade,
    key: Key,
    folder: Path,
    workers: int = 2,
    progress: Progress = lambda done, total, text: None,
) -> Outcome:
    """Grade everyone, `workers` at a time; results are kept in the folder.

    At Ctrl-C the submissions that are being graded are finished, and no other is begun. Where the
    judge itself fails, that student's result says so, for somebody to look at; it isn't kept, so
    that the next run tries again. Who ran out of time, memory or threads beside a neighbour that
    misbehaved is graded once more at the end, alone, and the better result counts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_digest: dict[str, list[Submission]] = {}
    for submission in submissions:
        by_digest.setdefault(key.digest(submission), []).append(submission)
    done = {digest: kept for digest in by_digest if (kept := _load(folder, digest))}
    before = len(done)
    todo = {digest: who[0] for digest, who in by_digest.items() if digest not in done}
    pool = ThreadPoolExecutor(max_workers=max(1, workers))

    spans: dict[str, tuple[float, float]] = {}

    def job(one: Submission, digest: str) -> Result:
        began = time.monotonic()
        result = grade(one)
        spans[digest] = (began, time.monotonic())
        if workers == 1 or not _starved(result):  # kept when it's known to be its own doing
            _save(folder, digest, result)
        return result

    running = {pool.submit(job, one, digest): digest for digest, one in todo.items()}
    interrupted = False
    try:
        _gather(running, done, by_digest, progress)
        for digest in [d for d in spans if workers > 1 and _starved(done[d])]:
            if _disturbed(digest, done, spans):
                progress(len(done), len(by_digest), f"{todo[digest].student} again, alone")
                alone = _settled(pool.submit(grade, todo[digest]))
                done[digest] = max(done[digest], alone, key=lambda r: r.points)
            _save(folder, digest, done[digest])
    except KeyboardInterrupt:
        interrupted = True
        in_hand = sum(future.running() for future in running)
        progress(len(done), len(by_digest), f"interrupted: {in_hand} in hand finish first")
        pool.shutdown(wait=True, cancel_futures=True)
        for future, digest in running.items():
            if future.done() and not future.cancelled() and digest not in done:
                done[digest] = _settled(future)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    results = {
        one.student: _of(done[digest], digest, one, key)
        for digest, who in by_digest.items()
        for one in who
        if digest in done
    }
    return Outcome(results=results, graded=len(done) - before, kept=before, interrupted=interrupted)


def _starved(result: Result) -> bool:
    """Whether an answer ended for want of what neighbours share: time, memory, processes."""
    return any(
        one.status not in JUDGED or any(want in one.said for want in WANTS) for one in result.graded
    )


def _disturbed(
    digest: str, done: Mapping[str, Result], spans: Mapping[str, tuple[float, float]]
) -> bool:
    """Whether a submission that was graded at the same time misbehaved."""
    began, ended = spans[digest]
    return any(
        other != digest and start < ended and began < end and _misbehaved(done[other])
        for other, (start, end) in spans.items()
    )


def _misbehaved(result: Result) -> bool:
    return any(one.review or one.status not in JUDGED for one in result.graded)


def _gather(
    running: Mapping[Future, str],
    done: dict[str, Result],
    by_digest: Mapping[str, list[Submission]],
    progress: Progress,
) -> None:
    """Take results as they come."""
    left, total = set(running), len(by_digest)
    progress(len(done), total, f"{len(done)} kept from before" if done else "")
    while left:
        ready, left = wait(left, return_when=FIRST_COMPLETED)
        for future in ready:
            digest = running[future]
            done[digest] = _settled(future)
            progress(len(done), total, by_digest[digest][0].student)


def _settled(future: Future) -> Result:
    error = future.exception()
    if error is None:
        return future.result()
    if type(error).__name__ in FATAL or not isinstance(error, Exception):
        raise error
    said = f"the grader failed: {type(error).__name__}: {plain_text(error, 300)}"
    nothing = Graded(exercise="", points=0.0, out_of=0, status="not graded", review=said)
    return Result(student="", digest="", graded=(nothing,))


def _of(result: Result, digest: str, submission: Submission, key: Key) -> Result:
    """The result of equal answers, under this student's name."""
    graded = result.graded
    if [g.exercise for g in graded] == [""]:  # the grader failed
        graded = tuple(
            replace(graded[0], exercise=name, out_of=key.exercises[name].points)
            for name in submission.answers
        )
    return replace(
        result,
        student=submission.student,
        digest=digest,
        graded=graded,
        problems=submission.problems,
        sandboxed=key.sandboxed,
    )


def _save(folder: Path, digest: str, result: Result) -> None:
    """Write the result to its file: whole, or not at all if the process is killed."""
    data = asdict(replace(result, student="", problems=(), digest=digest))
    partial = folder / f".{digest}.{os.getpid()}"
    partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / f"{digest}.json")


def _load(folder: Path, digest: str) -> Result | None:
    """The kept result; None where there is none that can be read."""
    try:
        data = json.loads((folder / f"{digest}.json").read_text(encoding="utf-8"))
        graded = tuple(
            Graded(**{**one, "tests": tuple((bool(ok), str(what)) for ok, what in one["tests"])})
            for one in data.pop("graded")
        )
        return Result(**{**data, "graded": graded, "problems": ()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
