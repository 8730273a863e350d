"""Asks the process that reads students' bytes (`reading.py`), and bears its loss.

A student's files may keep it busy for so long, all together. What takes longer, or ends the
process, is left out of that student's work, with the reason; the next student's is read in a new
process.
"""

import atexit
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from course_lib.grading.apart import Apart, Bounds, Failed, Lost

SECONDS = 30.0  # of its processor, for one student; an honest notebook takes a tenth of one
CLASS_SECONDS = 900.0
BOUNDS = Bounds(cpu_seconds=SECONDS, wall_seconds=20 * SECONDS, memory=3 << 30)


class Reader:
    """What is read of a class. functions: exercise -> what its function is called."""

    def __init__(self, functions: Mapping[str, str], apart: Apart | None = None):
        self.functions, self.apart = dict(functions), apart or _shared()
        self.left: dict[str, float] = {}

    def file(self, student: str, path: Path, name: str) -> dict:
        """{"answers", "notes", "dealt"}, or {"problem": why it can't be read}."""
        request = {"file": str(path), "name": name}
        return next(self._lines(student, request), {"problem": "it can't be read"})

    def archive(self, student: str, path: Path, most: int) -> Iterator[dict]:
        """The same of each file in a student's archive, with its name; then {"done": what is odd}.

        most: how many are read.
        """
        for line in self._lines(student, {"archive": str(path), "most": most}):
            yield {"done": [line["problem"]]} if "name" not in line and "problem" in line else line
            if "done" in line:
                return

    def unpack(self, path: Path, into: Path, ends: tuple[str, ...]) -> dict:
        """{"files": name -> number in the folder, "skipped": name -> why}, or {"refused": why}."""
        large = Apart(
            self.apart.module, Bounds(**{**vars(BOUNDS), "wall_seconds": 7_200.0}), first={}
        )
        request = {"class": str(path), "into": str(into), "ends": list(ends)}
        try:
            return large.ask(request, CLASS_SECONDS)
        except (Lost, Failed) as error:
            return {"refused": str(error)}
        finally:
            large.end()

    def people(self, path: Path) -> tuple[dict[str, list[tuple[str, ...]]], str]:
        """Gradescope's list: submission -> of each who handed it in, the names; and why not."""
        try:
            found = self.apart.ask({"people": str(path)})["people"]
        except (Lost, Failed) as error:
            return {}, str(error)
        return {key: [tuple(ids) for ids in people] for key, people in found.items()}, ""

    def _lines(self, student: str, request: dict) -> Iterator[dict]:
        """Lines of reply, for as long as this student has time left."""
        left = self.left.get(student, SECONDS)
        if left <= 0:
            yield {"problem": f"not read: this hand-in had taken {SECONDS:.0f} s before"}
            return
        try:
            self.apart.send({**request, "functions": self.functions})
            began = self.apart.used
            while True:
                line = self.apart.receive(left - (self.apart.used - began))
                self.left[student] = left - (self.apart.used - began)
                yield line
                if "name" not in line:
                    return
        except (Lost, Failed) as error:
            if isinstance(error, Lost) and "busy" in str(error):
                self.left[student] = 0.0
            yield {"problem": f"it can't be read: {error}"}


@cache
def _shared() -> Apart:
    """The process for all readers of this one: started at the first file, ended at the exit."""
    made = Apart("course_lib.grading.intake.reading", BOUNDS, first={})
    atexit.register(made.end)
    return made
