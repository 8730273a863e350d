"""An exercise: what is asked, of which inputs, the right answer, and the mistakes it can name.

    rope = Exercise(name="architecture/rope", answer="my_rope", cases=…, reference=…, mistakes=…)
    rope(my_rope)                    the instant check: prints what it found, and returns it
    rope.examine(answer, seed)       the same without printing: the grader's, with seeds of its own

All that `examine` asks of the answer is that it can be called. The grader hands it a function whose
body runs in a sandbox, in another process: so no student's code runs beside the comparison.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import and_
from typing import Any

from course_lib.checks import progress
from course_lib.checks.gradients import with_gradients
from course_lib.checks.report import CheckReport, Finding, announce, learner_traceback
from course_lib.checks.trial import Contained, Forbidden
from course_lib.checks.values import (
    Compare,
    close,
    copied,
    describe,
    difference,
    in_words,
    same,
    size_of,
)

EDGES_LAST = 10**9  # weight of an edge: shown only where no ordinary case and no property fails
KINDS = ("warm-up", "build", "diagnose", "predict")


@dataclass(frozen=True)
class Case:
    """One call: what it tries, in words that give no value away, and its arguments.

    An edge (an empty batch, a fully masked row) earns nothing until an ordinary case is right:
    there, zeros are often the right answer.
    """

    what: str
    arguments: tuple
    edge: bool = False


@dataclass(frozen=True)
class Property:
    """A rule that every right answer obeys: ``fault(answer, seed)`` says how this one breaks it.

    None where it doesn't.
    """

    what: str
    fault: Callable[[Callable, int], str | None]


@dataclass(frozen=True)
class _Outcome:
    """What came of a call: a value or an exception, and whether its arguments were changed."""

    value: Any = None
    error: Exception | None = None
    changed: bool = False

    def like(self, other: "_Outcome", compare: Compare) -> bool:
        """Equal values, or errors of one type: what an error says is the learner's own affair."""
        if self.error is not None or other.error is not None:
            return type(self.error) is type(other.error)
        return compare(self.value, other.value)

    def mirrors(self, other: "_Outcome", compare: Compare) -> bool:
        """As `like`, but two accidents (any error that isn't ValueError) must also say the same:
        two RuntimeErrors needn't come from one mistake."""
        accident = self.error is not None and not isinstance(self.error, ValueError)
        if accident and str(self.error) != str(other.error):
            return False
        return self.changed == other.changed and self.like(other, compare)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise.

    name: its file under solutions/.
    answer: what the learner's function is called.
    cases: from a seed, the calls; the first ones should tell mistakes apart.
    reference: the right function.
    mistakes: a sentence to the learner -> the wrong function that it recognises.
    gradients: positions of arguments whose gradients are compared too.
    harness: where an answer is given objects (a transport, a disk), makes of the answer a function
        of the cases' arguments.
    forbidden: names that an answer may not use.
    constants: names that the answer's cell sets -> the values that the grader may hand out, of
        which a notebook has the first. They are keywords of the reference and the mistakes.
    chosen: the constants of a variant.
    """

    name: str
    title: str
    answer: str
    kind: str
    minutes: int
    points: int
    cases: Callable[[int], Sequence[Case]]
    reference: Callable
    mistakes: Mapping[str, Callable]
    properties: tuple[Property, ...] = ()
    compare: Compare = close
    gradients: tuple[int, ...] = ()
    harness: Callable[[Callable], Callable] | None = None
    forbidden: tuple[str, ...] = ()
    constants: Mapping[str, tuple] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.name}: kind {self.kind!r}, expected one of {', '.join(KINDS)}")

    def __call__(self, answer: Any) -> CheckReport:
        """Check an answer, say what was found, remember it for `course progress`."""
        if self._is_ours(answer):
            said = "This is the course's own function: hand in yours."
            report = CheckReport(self.title, False, (Finding(False, "whose answer", said),))
            announce(report)
            return report
        report = self._signature_fault(answer)
        if report is None:
            contained = Contained(answer, self.forbidden)
            report = self.examine(contained, seed=0)
            if printed := contained.said.getvalue():
                print(printed[:500].rstrip() + ("\n…" if len(printed) > 500 else ""))
        announce(report)
        progress.remember(self.name, report.passed)
        return report

    def _is_ours(self, answer: Any) -> bool:
        while isinstance(answer, partial):
            answer = answer.func
        return answer is self.reference

    def variant(self, **chosen: Any) -> "Exercise":
        """The same exercise with other constants. Raises ValueError for one that it hasn't got."""
        for name, value in chosen.items():
            if value not in self.constants.get(name, ()):
                known = ", ".join(f"{k} in {v}" for k, v in self.constants.items()) or "none"
                raise ValueError(f"{self.title}: {name}={value!r}, expected {known}")
        return replace(self, chosen={**self.chosen, **chosen})

    def examine(self, answer: Callable, seed: int) -> CheckReport:
        """All cases and properties: findings, the share that holds, and the mistake's name.

        Raises ValueError where the exercise has no case, or only edges.
        """
        cases = list(self.cases(seed))
        if all(case.edge for case in cases):
            raise ValueError(f"{self.name}: no ordinary case for seed {seed}")
        right = [self._run(self.bound(self.reference), case) for case in cases]
        got: list[_Outcome] = []
        for case in cases:
            got.append(self._run(answer, case))
            if isinstance(got[-1].error, TimeoutError | Forbidden):
                said = f"Your function can't be judged: {got[-1].error}."
                return CheckReport(self.title, False, (Finding(False, case.what, said),))
            if isinstance(got[0].error, NotImplementedError):
                nothing = "Nothing here yet: replace `raise NotImplementedError`."
                return CheckReport(self.title, False, (Finding(False, case.what, nothing),))
        findings = list(map(self._judge, cases, got, right, [answer] * len(cases)))
        begun = any(f.passed for f, case in zip(findings, cases, strict=True) if not case.edge)
        findings += [self._hold(rule, answer, seed) for rule in self.properties if begun]
        held = sum(f.passed for f in findings) if begun else 0
        share = held / (len(cases) + len(self.properties))
        if share == 1:
            return CheckReport(self.title, True, tuple(findings), share=1.0)
        mistake = self._recognise(cases, got, right)
        return CheckReport(self.title, False, tuple(findings), mistake, share)

    @property
    def line(self) -> str:
        """What stands under the title: kind, time, points."""
        return f"*{self.kind.capitalize()} · about {self.minutes} minutes · {self.points} points*"

    def bound(self, function: Callable) -> Callable:
        """The reference, or a mistake, with the constants that are in force."""
        if not self.constants:
            return function
        return partial(function, **{**{k: v[0] for k, v in self.constants.items()}, **self.chosen})

    def _run(self, function: Callable, case: Case) -> _Outcome:
        """The function on a copy of the case's arguments. Whatever it raises is an outcome."""
        given = copied(case.arguments)
        try:
            if self.gradients:  # those of a remote answer are computed in the sandbox
                both = getattr(function, "with_gradients", partial(with_gradients, function))
                value = both(self.gradients)(*given)
            else:
                value = (self.harness(function) if self.harness else function)(*given)
        except Exception as error:  # a learner's function may raise anything
            return _Outcome(error=error)
        return _Outcome(value, changed=not same(given, case.arguments))

    def _judge(self, case: Case, got: _Outcome, right: _Outcome, answer: Callable) -> Finding:
        weight = size_of(case.arguments) + (EDGES_LAST if case.edge else 0)
        shown = "given " + in_words(self._names(), case.arguments).replace("\n", "\n      ")
        if got.changed and not right.changed:
            said = "Your function changed its argument in place: copy it first."
            return Finding(False, case.what, said, shown, weight)
        if got.like(right, self.compare):
            return Finding(True, case.what)
        if got.error is not None:
            said = learner_traceback(got.error, answer)
            return Finding(False, case.what, said, shown, weight)
        if right.error is not None:
            kind = type(right.error).__name__
            said = f"You returned {describe(got.value)}, expected it to raise {kind}."
            return Finding(False, case.what, said, shown, weight)
        return Finding(False, case.what, self._difference(got.value, right.value), shown, weight)

    def _difference(self, got: Any, want: Any) -> str:
        if not self.gradients:
            return difference(got, want)
        (value, slopes), (right, right_slopes) = got, want
        if not self.compare(value, right):
            return difference(value, right)
        names = self._names()
        at = next(
            i
            for i, pair in enumerate(zip(slopes, right_slopes, strict=True))
            if not self.compare(*pair)
        )
        if slopes[at] is None:
            what = "does not reach it: is something detached, or taken out with .item()?"
        else:
            what = "is another. " + difference(slopes[at], right_slopes[at])
        return f"The values are right, but the gradient of {names[self.gradients[at]]} {what}"

    def _names(self) -> list[str]:
        """What the arguments are called, the constants left out."""
        names = inspect.signature(self.reference).parameters
        return [name for name in names if name not in self.constants]

    def _hold(self, rule: Property, answer: Callable, seed: int) -> Finding:
        try:
            fault = rule.fault(answer, seed)
        except Exception as error:  # a learner's function may raise anything
            fault = learner_traceback(error, answer)
        return Finding(fault is None, rule.what, fault or "", weight=EDGES_LAST // 2)

    def _recognise(
        self, cases: list[Case], got: list[_Outcome], right: list[_Outcome]
    ) -> str | None:
        """The first mistake that does what the answer did wherever it counts, wrong there too.

        What counts are the ordinary cases; where they are all right, the edges as well. Where none
        does so in every ordinary case: the one that does in most of them, four in five at least.
        """
        rows = list(zip(cases, got, right, strict=True))
        ordinary = [row for row in rows if not row[0].edge]
        if not all(g.like(r, self.compare) for _, g, r in ordinary):
            rows = ordinary
        wrongly = [not g.like(r, self.compare) for _, g, r in rows]
        best, most = None, 0.8
        for sentence, wrong in self.mistakes.items():
            found = [self._run(self.bound(wrong), case) for case, *_ in rows]
            mirrored = [
                g.mirrors(f, self.compare) for (_, g, _), f in zip(rows, found, strict=True)
            ]
            told = sum(map(and_, mirrored, wrongly))  # where the answer is wrong, and so is this
            if all(mirrored) and told:
                return sentence
            share = min(sum(mirrored) / len(rows), told / max(1, sum(wrongly)))
            if told >= 3 and share >= most and rows is ordinary:
                best, most = f"In most cases: {sentence}", share
        return best

    def _signature_fault(self, answer: Any) -> CheckReport | None:
        """A report where this can't be called as the exercise calls it."""
        said = None
        names = ", ".join(self._names())
        if not callable(answer):
            said = f"This is {describe(answer)}, expected a function of ({names})."
        else:
            try:
                signature = inspect.signature(answer)
                signature.bind(*[None] * len(names.split(", ")) if names else [])
            except TypeError:
                said = f"Your function takes {signature}, expected ({names})."
            except ValueError:  # a builtin that doesn't tell its signature
                return None
        return said and CheckReport(self.title, False, (Finding(False, "signature", said),))
