"""Diagnose: a forecast from runs that weren't finished, and from parameters counted otherwise."""

import warnings
from collections.abc import Callable
from functools import partial
from random import Random

import numpy as np

from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.scaling.runs import Run, ledger
from course_lib.checks.values import close

Answer = tuple[float, list[float]]


def _cases(seed: int) -> list[Case]:
    random = Random(seed)
    return [
        Case("two budgets", (ledger(random, budgets=2, cut=2),)),
        Case("four budgets", (ledger(random),)),
        Case("three budgets, one run of each lost", (ledger(random, budgets=3, cut=1),)),
        Case("five budgets of eight sizes", (ledger(random, budgets=5, sizes=8, cut=2),)),
        Case("a budget that kept two runs", (ledger(random, thin=True),)),
        Case("budgets that kept three runs", (ledger(random, budgets=3, cut=3),)),
        Case(
            "no run was lost, every parameter in the body",
            ([run | {"embedding": 0.0} for run in ledger(random, cut=0)],),
            edge=True,
        ),
    ]


def _forecast(
    runs: list[Run],
    *,
    kept: Callable = lambda run: run["step"] >= run["last_step"],
    size: Callable = lambda run: run["parameters"],
    least: int = 3,
) -> Answer:
    """g of N_best ∝ C^g and each budget's N_best, smallest first, with some of it got wrong."""
    budgets: dict[float, list[Run]] = {}
    for run in filter(kept, runs):
        budgets.setdefault(run["flops"], []).append(run)
    flops, best = [], []
    for budget in sorted(budgets):
        own = budgets[budget]
        if len(own) < least:
            continue
        c2, c1, _ = _polyfit(np.log(list(map(size, own))), [run["loss"] for run in own], 2)
        flops.append(budget)
        best.append(float(np.exp(-c1 / (2 * c2))))
    return float(_polyfit(np.log(flops), np.log(best), 1)[0]), best


def _polyfit(x: np.ndarray, y: np.ndarray | list, degree: int) -> np.ndarray:
    """numpy's, silent where a mistake has too few points for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.polyfit(x, y, degree)


def _reference(runs: list[Run]) -> Answer:
    return _forecast(runs)


def _body(run: Run) -> float:
    return run["parameters"] - run["embedding"]


_FAULTS = {
    "unfinished runs are in the fit (step < last_step): their learning rate hadn't come down, so "
    "their loss is too high for their budget": {"kept": lambda run: True},
    "N leaves the embedding out, while the budget was spent on all parameters": {"size": _body},
    "a budget with fewer than three finished runs has no parabola, and must be left out": {
        "least": 2
    },
}
_LEFT = {1: "One fault is left: ", 2: "Two faults are left: "}


def _with(*names: str) -> Callable:
    changes = {key: value for name in names for key, value in _FAULTS[name].items()}
    return lambda runs: _forecast(runs, **changes)


def _whole_budgets(runs: list[Run]) -> Answer:
    lost = {run["flops"] for run in runs if run["step"] < run["last_step"]}
    return _forecast([run for run in runs if run["flops"] not in lost])


def _inverted(runs: list[Run]) -> Answer:
    g, best = _forecast(runs)
    return 1 / g, best


def _half_way(runs: list[Run]) -> Answer:
    """Keeps what has reached half of its schedule."""
    return _forecast(runs, kept=lambda run: run["step"] > run["last_step"] / 2)


_all = tuple(_FAULTS)
_MISTAKES = {
    **{
        _LEFT[len(names)] + "; ".join(names) + ".": _with(*names)
        for names in (_all[:1], _all[1:2], _all[:2], _all[2:], _all[1:])
    },
    "You drop the finished runs and keep the others: a run is finished where step has reached "
    "last_step.": lambda runs: _forecast(
        runs, kept=lambda run: run["step"] < run["last_step"], least=1
    ),
    "You keep runs that have come half way. The last part of the schedule is where the loss falls "
    "fastest: only a finished run counts.": _half_way,
    "You leave out every budget that lost a run. Its other runs are sound: leave the runs out, not "
    "the budget.": _whole_budgets,
    "Your exponent is upside down: N_best ∝ C^g is log N against log C.": _inverted,
    "You fit the tokens in place of the parameters: N_best was asked for.": (
        lambda runs: _forecast(runs, size=lambda run: run["tokens"])
    ),
}

unfinished_runs = Exercise(
    name="scaling/unfinished_runs",
    title="The forecast that asked for small models",
    answer="forecast",
    kind="diagnose",
    minutes=30,
    points=12,
    cases=_cases,
    reference=_reference,
    mistakes=_MISTAKES,
    compare=partial(close, rtol=1e-3),
)
