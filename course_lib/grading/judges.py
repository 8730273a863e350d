"""Judges in processes of their own, one a hand-in at a time.

What an answer sends is read and compared by the judge, outside the sandbox. With a process for
each, an answer that keeps its judge busy slows no neighbour's, and may be ended: it gets nothing,
its exercise is named for somebody to look at, and the rest of the hand-in is judged by a new one.

    with Judges(secret, limits) as judges:
        judges.grade(submission)     # from several threads at once
"""

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from course_lib.checks.exercise import Exercise
from course_lib.grading import judge
from course_lib.grading.apart import Apart, Bounds, Failed, Lost, serve
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.sandbox.bubblewrap import Limits, NoSandbox
from course_lib.grading.sandbox.pool import Pool

CATALOGUE = "course_lib.checks:catalogue"
CPU_SECONDS = 90.0  # of the judge's own processor for one answer; an honest one takes two
MEMORY = 6 << 30


class Judges:
    """Judge processes, made as they are needed and kept for the next hand-in.

    exercises: "module:function" that returns them by name, for this process and the judges'.
    """

    def __init__(
        self,
        secret: bytes,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        sandboxed: bool = True,
        exercises: str = CATALOGUE,
        cpu_seconds: float = CPU_SECONDS,
    ):
        self.exercises, self.sandboxed = _from(exercises)(), sandboxed
        self.first = {
            "secret": secret.hex(),
            "limits": asdict(limits),
            "sandboxed": sandboxed,
            "exercises": exercises,
        }
        # Three seeds, each given up where a check's own threads wait for each other too long.
        wall = limits.start + judge.SEEDS * (judge.LONGEST + 1) * limits.wall_seconds + 60
        self.bounds = Bounds(cpu_seconds=cpu_seconds, wall_seconds=wall, memory=MEMORY)
        self.idle: list[Apart] = []
        self.lock = threading.Lock()

    def __enter__(self) -> "Judges":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End the judges, and with each the sandbox that it has started ahead."""
        with self.lock:
            for one in self.idle:
                one.close()
            self.idle.clear()

    def grade(self, submission: Submission) -> Result:
        """Grade every answer. Raises NoSandbox where no sandbox can be had."""
        if unknown := [name for name in submission.answers if name not in self.exercises]:
            raise ValueError(f"no exercise {unknown[0]!r}, there are {', '.join(self.exercises)}")
        with self.lock:
            mine = self.idle.pop() if self.idle else Apart(__name__, self.bounds, self.first)
        try:
            graded = self._graded(mine, submission)
        except Failed as error:
            mine.end()
            if error.kind == NoSandbox.__name__:
                raise NoSandbox(str(error)) from error
            raise
        finally:
            with self.lock:
                self.idle.append(mine)
        return Result(
            student=submission.student,
            digest="",
            graded=tuple(graded),
            problems=submission.problems,
            seconds=sum(one.seconds for one in graded),
            sandboxed=self.sandboxed,
        )

    def _graded(self, mine: Apart, submission: Submission) -> list[Graded]:
        """Answer after answer; after one that cost the judge its process, the rest by a new one.

        A judge may also have been ended by others (the system, for memory): where it wasn't held
        busy, the answer is tried once more.
        """
        names, graded, again = list(submission.answers), [], ""
        while len(graded) < len(names):
            left = names[len(graded) :]
            try:
                mine.send(
                    {
                        "answers": {name: submission.answers[name] for name in left},
                        "constants": {n: dict(submission.constants.get(n, {})) for n in left},
                    }
                )
                for _ in left:
                    graded.append(_read(mine.receive()))
                if mine.receive()["spoiled"]:
                    mine.end()
            except Lost as lost:
                if len(graded) == len(names):
                    break
                if "busy" not in str(lost) and again != names[len(graded)]:
                    again = names[len(graded)]
                else:
                    graded.append(self._lost(names[len(graded)], str(lost)))
        return graded

    def _lost(self, name: str, how: str) -> Graded:
        status = "out of time" if "busy" in how else "ended the judge"
        out_of, said = self.exercises[name].points, "What it sent could not be judged."
        review = f"the judge was lost to it: {how}"
        none = Graded(exercise=name, points=0.0, out_of=out_of, status=status)
        return replace(none, said=said, review=review)


def grade_alone(submission: Submission, secret: bytes, sandboxed: bool = True) -> Result:
    """One hand-in, by a judge that is started for it."""
    with Judges(secret, sandboxed=sandboxed) as judges:
        return judges.grade(submission)


def _read(line: dict) -> Graded:
    tests = tuple((bool(holds), str(what)) for holds, what in line["tests"])
    return Graded(**{**line, "tests": tests})


def _from(path: str) -> Callable[[], Mapping[str, Exercise]]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


class _Serving:
    """Over there: what was said first, and a pool of sandboxes."""

    def __init__(self):
        self.settings: dict[str, Any] = {}
        self.pool: Pool | None = None

    def answer(self, request: dict) -> Iterator[dict]:
        """To the first request, a word; to others, a line for each answer and a last one."""
        if self.pool is None:
            self.settings = {**request, "exercises": _from(request["exercises"])()}
            limits = Limits(**request["limits"])
            self.pool = Pool(limits, sandboxed=request["sandboxed"], ahead=1)
            yield {"ready": True}
            return
        secret = bytes.fromhex(self.settings["secret"])
        submission = Submission(student="", **request)
        for one in judge.each(submission, secret, self.settings["exercises"], self.pool.worker):
            yield asdict(one)
        yield {"spoiled": judge.still_examining()}

    def close(self) -> None:
        """End the sandboxes that nobody used."""
        if self.pool is not None:
            self.pool.close()


if __name__ == "__main__":
    serving = _Serving()
    serve(serving.answer)
    serving.close()
