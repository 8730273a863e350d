"""A submission and its result: plain data, which the batch and the judge hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One student's work, read from files and never run.

    answers: exercise -> the source that defines its answer. constants: exercise -> the variant that
    this student was given. problems: what could not be read, in words for the student.
    """

    student: str
    files: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Graded:
    """One exercise of one student.

    status: "passed", "partly", "wrong", "not attempted", or how the answer ended ("out of time",
    "ended by SIGSEGV", …). tests: (holds, label). said: the answer's own error or how a value
    differs, with no hidden input in it. review: why somebody should look at it, "" if nobody need.
    note: what a person decided on it, for the student.
    """

    exercise: str
    points: float
    out_of: int
    status: str
    tests: tuple[tuple[bool, str], ...] = ()
    mistake: str | None = None
    said: str = ""
    seconds: float = 0.0
    review: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """All exercises of one student.

    digest: of what was graded and of the grader's code (see `batch.Key`). sandboxed: whether the
    answers ran in a sandbox. deduction: points taken off the sum, and note: why, for the student.
    """

    student: str
    digest: str
    graded: tuple[Graded, ...]
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    sandboxed: bool = True
    deduction: float = 0.0
    note: str = ""

    @property
    def points(self) -> float:
        """The sum over the exercises, less the deduction."""
        return max(0.0, sum((one.points for one in self.graded), 0.0) - self.deduction)

    @property
    def out_of(self) -> int:
        """What could be had."""
        return sum(one.out_of for one in self.graded)
