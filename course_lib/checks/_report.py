"""The machinery behind every instant check: run the learner's function beside the reference.

    report = run_check("RMSNorm", fn, cases, reference, mistakes={"You took …": wrong_version})

Each case is the arguments of one call. The learner's answer is compared with the reference's; where
they differ, it is compared with every named mistake's: the first mistake that gives the learner's
answers in every case is the one we name. The report is printed, and returned.
"""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from course_lib.checks._html import as_html
from course_lib.checks._values import Compare, close, copied, describe, difference, same

PASS, FAIL = "✓", "✗"
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
        return said

    def __str__(self) -> str:
        told = [(self.passed, self.title), *self.lines()]
        return "\n".join(f"{PASS if good else FAIL} {text}" for good, text in told)

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


def run_check(
    title: str,
    fn: Callable,
    cases: Iterable[Any],
    reference: Callable,
    mistakes: Mapping[str, Callable] | None = None,
    compare: Compare | None = None,
) -> CheckReport:
    """Compare `fn` with `reference` on every case, name the mistake, print and return the report.

    cases: tuples of arguments (or dicts of keyword arguments; anything else is one argument). Every
    call gets its own copy, so a function that changes its arguments cannot spoil the next call, and
    it is told so. mistakes: a sentence to the learner -> the wrong function it recognises. compare:
    `close` by default.
    """
    compare = close if compare is None else compare
    cases = list(cases)
    if not cases:
        raise ValueError(f"run_check: {title!r} has no cases")
    expected = [_call(reference, case)[0] for case in cases]
    findings: list[Finding] = []
    answers: list[Any] = []
    for i, (case, right) in enumerate(zip(cases, expected, strict=True), start=1):
        name = f"case {i} of {len(cases)}: {describe(case)}"
        try:
            answer, changed = _call(fn, case)
        except NotImplementedError:
            finding = Finding(False, name, "Nothing here yet: replace `raise NotImplementedError`.")
            return _finish(title, [finding])
        except Exception as error:  # a learner's function may raise anything
            findings.append(Finding(False, name, learner_traceback(error, fn)))
            return _finish(title, findings)
        answers.append(answer)
        findings.append(_judge(name, answer, right, changed, compare))
    if all(finding.passed for finding in findings):
        return _finish(title, [Finding(True, f"{len(cases)} cases equal the reference")])
    mistake = _recognise(answers, cases, expected, mistakes or {}, compare)
    first = next(finding for finding in findings if not finding.passed)
    good = sum(finding.passed for finding in findings)
    shown = [Finding(True, f"{good} of {len(cases)} cases equal the reference")] if good else []
    return _finish(title, [*shown, first], mistake)


def report(title: str, findings: Sequence[Finding], mistake: str | None = None) -> CheckReport:
    """A report from findings of your own (a check that is no comparison of one function)."""
    return _finish(title, list(findings), mistake)


def _judge(name: str, got: Any, want: Any, changed: bool, compare: Compare) -> Finding:
    if changed:
        return Finding(False, name, "Your function changed its argument in place: copy it first.")
    if compare(got, want):
        return Finding(True, name)
    return Finding(False, name, difference(got, want))


def _recognise(
    answers: list[Any],
    cases: list[Any],
    expected: list[Any],
    mistakes: Mapping[str, Callable],
    compare: Compare,
) -> str | None:
    """The first mistake that gives the learner's answer in every case, and is wrong in one."""
    for sentence, wrong in mistakes.items():
        try:
            wrong_answers = [_call(wrong, case)[0] for case in cases]
            same = all(map(compare, answers, wrong_answers))
            if same and not all(map(compare, wrong_answers, expected)):
                return sentence
        except Exception:  # a mistake that cannot even run on a case is not what was written
            continue
    return None


def _call(fn: Callable, case: Any) -> tuple[Any, bool]:
    """The answer on a fresh copy of the arguments, and whether the copy was changed."""
    given = copied(case)
    if isinstance(given, Mapping):
        answer = fn(**given)
    elif isinstance(given, tuple):
        answer = fn(*given)
    else:
        answer = fn(given)
    return answer, not same(given, case)


def learner_traceback(error: Exception, fn: Callable) -> str:
    """The learner's own frames of the traceback, without the machinery's.

    Behind the grader's wall they are put together where the answer ran, and come as `told`.
    """
    if (told := getattr(error, "told", None)) is not None:
        return told
    code = getattr(inspect.unwrap(fn), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    if code is not None:
        own = [i for i, frame in enumerate(frames) if frame.filename == code.co_filename]
        frames = frames[own[0] :] if own else frames
    lines = "".join(traceback.format_list(frames)).rstrip()
    return f"It raised {type(error).__name__}: {error}\n{lines}"


def _finish(title: str, findings: list[Finding], mistake: str | None = None) -> CheckReport:
    if mistake is not None:
        findings = [*findings, Finding(False, "This looks familiar", mistake)]
    done = CheckReport(title, all(f.passed for f in findings), tuple(findings), mistake)
    announce(done)
    return done
