"""The machinery behind every instant check: run the learner's function beside the reference.

    report = run_check("RMSNorm", fn, cases, reference, mistakes={"You took …": wrong_version})

Each case is the arguments of one call. The learner's answer is compared with the reference's; where
they differ, it is compared with every named mistake's: the first mistake that gives the learner's
answers in every case is the one we name. The report is printed, and returned.
"""

import inspect
import math
import random
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PASS, FAIL = "✓", "✗"
Compare = Callable[[Any, Any], bool]


@dataclass(frozen=True)
class Finding:
    """One line of a report: what was tried, whether it holds, and what that tells the learner."""

    passed: bool
    what: str
    detail: str = ""

    def __str__(self) -> str:
        mark = PASS if self.passed else FAIL
        indented = "\n".join("    " + line for line in self.detail.splitlines())
        return f"{mark} {self.what}" + (f"\n{indented}" if indented else "")


@dataclass(frozen=True)
class CheckReport:
    """What a check found. `mistake` is the sentence of the recognised misconception, if any."""

    title: str
    passed: bool
    findings: tuple[Finding, ...]
    mistake: str | None = None

    def __str__(self) -> str:
        head = f"{PASS if self.passed else FAIL} {self.title}"
        return "\n".join([head, *(str(finding) for finding in self.findings)])

    def _repr_html_(self) -> str:
        return ""  # already printed: a cell that ends with the check shall not show it twice

    def __repr__(self) -> str:
        return f"<check {self.title}: {'passed' if self.passed else 'not yet'}>"


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
            findings.append(Finding(False, name, _learner_traceback(error, fn)))
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


def close(got: Any, want: Any, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Same shape and near values, NaN in the same places; containers part by part."""
    if isinstance(want, Tensor):
        if not isinstance(got, Tensor) or got.shape != want.shape:
            return False
        if want.dtype == torch.bool or got.dtype == torch.bool:
            return got.dtype == want.dtype and bool((got == want).all())
        got, want = got.detach().double(), want.detach().double()
        return torch.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if isinstance(want, bool) or want is None or isinstance(want, str):
        return got == want
    if isinstance(want, int | float):
        value = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
        if not isinstance(value, int | float):
            return False
        return math.isclose(value, want, rel_tol=rtol, abs_tol=atol)
    if isinstance(want, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == want.keys()
            and all(close(got[key], want[key], rtol, atol) for key in want)
        )
    if isinstance(want, Sequence):
        return (
            isinstance(got, Sequence)
            and not isinstance(got, str)
            and len(got) == len(want)
            and all(close(g, w, rtol, atol) for g, w in zip(got, want, strict=True))
        )
    return bool(got == want)


def describe(value: Any, short: int = 60) -> str:
    """A value in a few words: the shape of a tensor, the start of a text."""
    if isinstance(value, Tensor):
        if value.numel() == 1:
            return f"{value.item():.6g}" if value.is_floating_point() else str(value.item())
        return f"tensor {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return ", ".join(describe(part, short) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={describe(part, short)}" for key, part in value.items())
    text = repr(value)
    return text if len(text) <= short else text[: short - 1] + "…"


def _judge(name: str, got: Any, want: Any, changed: bool, compare: Compare) -> Finding:
    if changed:
        return Finding(False, name, "Your function changed its argument in place: copy it first.")
    if compare(got, want):
        return Finding(True, name)
    return Finding(False, name, _difference(got, want))


def _difference(got: Any, want: Any) -> str:
    if got is None and want is not None:
        return "Your function returned None: is there a `return`?"
    if isinstance(want, Tensor) and not isinstance(got, Tensor):
        return f"You returned a {type(got).__name__}, expected a {describe(want)}."
    if isinstance(want, Tensor) and got.shape != want.shape:
        return f"Your shape is {tuple(got.shape)}, expected {tuple(want.shape)}."
    if isinstance(want, Tensor) and torch.isnan(got.double()).any():
        where = int(torch.isnan(got.double()).sum())
        return f"{where} of your {got.numel()} values are NaN."
    if isinstance(want, Tensor) and want.numel() > 1:
        apart = (got.double() - want.double()).abs()
        at = tuple(int(i) for i in torch.unravel_index(apart.argmax(), apart.shape))
        return (
            f"Farthest apart at {list(at)}: you have {describe(got[at])}, expected "
            f"{describe(want[at])}; {int((apart > 1e-4).sum())} of {apart.numel()} values differ."
        )
    return f"You have {describe(got)}, expected {describe(want)}."


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
    given = _copy(case)
    if isinstance(given, Mapping):
        answer = fn(**given)
    elif isinstance(given, tuple):
        answer = fn(*given)
    else:
        answer = fn(given)
    return answer, not _same(given, case)


def _copy(value: Any) -> Any:
    """A copy of what a function could change; anything else (a tokenizer, a world) is shared."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if isinstance(value, nn.Module | random.Random):
        return deepcopy(value)
    if isinstance(value, Mapping):
        return {key: _copy(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return value


def _same(a: Any, b: Any) -> bool:
    """Bit-equal, as far as tensors, numbers, texts and their containers go."""
    if isinstance(a, Tensor):
        return a.shape == b.shape and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b if isinstance(a, str | int | float | bool) else True


def _learner_traceback(error: Exception, fn: Callable) -> str:
    """The learner's own frames of the traceback, without the machinery's."""
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
    print(done)
    return done
