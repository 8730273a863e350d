"""Answers to the spoiled forecast as learners mend it: not enough, wrongly, and rightly."""

import math
import warnings

import numpy as np


def grouped(runs, keep=lambda run: True):
    budgets = {}
    for run in runs:
        if keep(run):
            budgets.setdefault(run["flops"], []).append(run)
    return dict(sorted(budgets.items()))


def vertex(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c2, c1, _ = np.polyfit(x, y, 2)
    return math.exp(-c1 / (2 * c2))


def finished(run):
    return run["step"] == run["last_step"]


def slope(flops, best):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(np.polyfit(np.log(flops), np.log(best), 1)[0])


def fitted(runs, keep=finished, least=3, body=False):
    flops, best = [], []
    for budget, own in grouped(runs, keep).items():
        if len(own) < least:
            continue
        n = [run["parameters"] - body * run["embedding"] for run in own]
        flops.append(budget)
        best.append(vertex(np.log(n), [run["loss"] for run in own]))
    return slope(flops, best), best


def mended(runs):
    return fitted(runs)


def with_arrays(runs):
    runs = [run for run in runs if run["step"] >= run["last_step"]]
    c, n, loss = (np.array([run[k] for run in runs]) for k in ("flops", "parameters", "loss"))
    budgets = [b for b in np.unique(c) if (c == b).sum() >= 3]
    best = [vertex(np.log(n[c == b]), loss[c == b]) for b in budgets]
    return slope(budgets, best), best


def by_hand(runs):
    """Its own least squares, centred; the line by its formula."""
    x, y = [], []
    for budget, own in grouped(runs, finished).items():
        if len(own) > 2:
            z = np.log2([run["parameters"] for run in own])
            middle = z.mean()
            powers = np.vander(z - middle, 3)
            loss = np.array([run["loss"] for run in own])
            c2, c1, _ = np.linalg.lstsq(powers, loss, rcond=None)[0]
            x.append(math.log(budget))
            y.append((middle - c1 / (2 * c2)) * math.log(2))
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    g = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return g / sum((a - x_mean) ** 2 for a in x), [math.exp(value) for value in y]


def as_it_was(runs):
    return fitted(runs, keep=lambda run: True, least=1, body=True)


def mends_the_count(runs):
    return fitted(runs, keep=lambda run: True)


def mends_the_runs(runs):
    return fitted(runs, body=True)


def mends_both_but_keeps_thin_budgets(runs):
    return fitted(runs, least=1)


def mends_the_runs_and_keeps_thin_budgets(runs):
    return fitted(runs, least=2, body=True)


def the_wrong_half(runs):
    return fitted(runs, keep=lambda run: run["step"] < run["last_step"], least=1)


def half_way_will_do(runs):
    return fitted(runs, keep=lambda run: run["step"] / run["last_step"] > 0.5)


def drops_whole_budgets(runs):
    spoiled = {run["flops"] for run in runs if not finished(run)}
    return fitted([run for run in runs if run["flops"] not in spoiled])


def the_other_way_up(runs):
    g, best = fitted(runs)
    return 1 / g, best


def fits_the_tokens(runs):
    flops, best = [], []
    for budget, own in grouped(runs, finished).items():
        if len(own) >= 3:
            flops.append(budget)
            best.append(vertex(np.log([r["tokens"] for r in own]), [r["loss"] for r in own]))
    return slope(flops, best), best


def takes_the_best_run(runs):
    flops, best = [], []
    for budget, own in grouped(runs, finished).items():
        if len(own) >= 3:
            flops.append(budget)
            best.append(min(own, key=lambda run: run["loss"])["parameters"])
    return slope(flops, best), best


WRONG = {
    as_it_was: "Two faults are left: unfinished runs",
    mends_the_count: "One fault is left: unfinished runs",
    mends_the_runs: "One fault is left: N leaves the embedding out",
    mends_both_but_keeps_thin_budgets: "fewer than three finished runs",
    mends_the_runs_and_keeps_thin_budgets: "Two faults are left: N leaves",
    the_wrong_half: "You drop the finished runs",
    half_way_will_do: "come half way",
    drops_whole_budgets: "every budget that lost a run",
    the_other_way_up: "upside down",
    fits_the_tokens: "You fit the tokens",
    takes_the_best_run: "expected",
}
RIGHT = [mended, with_arrays, by_hand]
