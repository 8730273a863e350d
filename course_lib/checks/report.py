"""What a check says: its findings, and the learner's own traceback; in text or in HTML."""

import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib.checks.html import as_html

PASS, FAIL = "✓", "✗"
CHECKS = Path(__file__).resolve().parent  # frames of a traceback that are not the learner's
# A learner's text may hold what moves a terminal's cursor or hides lines: shown as a sign of it.
VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}


@dataclass(frozen=True)
class Finding:
    """One test: what was tried, whether it holds, and what that tells the learner.

    given: the arguments in words, which a grader doesn't show. weight: how large they are.
    """

    passed: bool
    what: str
    detail: str = ""
    given: str = ""
    weight: int = 0

    def __str__(self) -> str:
        lines = [*self.given.splitlines(), *self.detail.splitlines()]
        indented = "\n".join("    " + line for line in lines)
        said = f"{PASS if self.passed else FAIL} {self.what}" + (f"\n{indented}" if lines else "")
        return said.translate(VISIBLE)


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    mistake: the sentence of the recognised misconception, if any. share: of the tests that hold,
    0 where no ordinary case does.
    """

    title: str
    passed: bool
    findings: tuple[Finding, ...]
    mistake: str | None = None
    share: float = 0.0

    @property
    def smallest_failure(self) -> Finding | None:
        """The failing test with the least to look at."""
        failed = [finding for finding in self.findings if not finding.passed]
        return min(failed, key=lambda finding: finding.weight, default=None)

    def lines(self) -> list[tuple[bool, str]]:
        """What is said, each line good or bad: a learner meets one failing test at a time."""
        good, total = sum(f.passed for f in self.findings), len(self.findings)
        said = [(True, f"{good} of {total} tests hold")] if good else []
        if first := self.smallest_failure:
            said.append((False, str(first)[2:]))
        if self.mistake:
            said.append((False, f"This looks familiar\n    {self.mistake}"))
        elif good and total - good:
            holds, fails = (self._named(passed) for passed in (True, False))
            said.append((False, f"What holds already\n    Right: {holds}.\n    Wrong: {fails}."))
        return said

    def _named(self, passed: bool, most: int = 4) -> str:
        """The tests that hold, or don't, by what they try: each once, the first few."""
        named = list(dict.fromkeys(f.what for f in self.findings if f.passed == passed))
        rest = f"; and {len(named) - most} more" if len(named) > most else ""
        return "; ".join(named[:most]) + rest

    def __str__(self) -> str:
        lines = [(self.passed, self.title), *self.lines()]
        return "\n".join(f"{PASS if good else FAIL} {text}" for good, text in lines)

    def _repr_html_(self) -> str:
        return ""  # already said: a cell that ends with the check shall not show it twice

    def __repr__(self) -> str:
        return f"<check {self.title}: {'passed' if self.passed else 'not yet'}>"


def announce(report: CheckReport) -> None:
    """Say what was found: coloured in a notebook, as text everywhere else."""
    if "IPython" in sys.modules:
        from IPython import get_ipython
        from IPython.display import display

        if getattr(get_ipython(), "kernel", None) is not None:
            display({"text/plain": str(report), "text/html": as_html(report)}, raw=True)
            return
    print(report)


def learner_traceback(error: Exception, fn: Callable) -> str:
    """The learner's own frames of the traceback, without the machinery's.

    From the grader's sandbox the text comes with the exception, as `remote_traceback`.
    """
    if (text := getattr(error, "remote_traceback", None)) is not None:
        return text
    code = getattr(inspect.unwrap(fn), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    if code is not None:
        own = [i for i, frame in enumerate(frames) if frame.filename == code.co_filename]
        frames = frames[own[0] :] if own else frames
    frames = [frame for frame in frames if CHECKS not in Path(frame.filename).parents]
    if not frames:  # the check itself stumbled over what was returned
        return f"What your function returned can't be used: {type(error).__name__}: {error}"
    lines = "".join(traceback.format_list(frames)).rstrip()
    return f"It raised {type(error).__name__}: {error}\n{lines}"
