"""The paired bootstrap: an interval for the difference of two models on the same questions."""

import random
from collections.abc import Callable
from statistics import NormalDist

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close

Results = list[int | float]


def _cases(seed: int) -> list[Case]:
    """Two models, the second better in its own way; the picks are drawn here, once for all."""
    draw = random.Random(seed)
    sizes = (
        ("three resamples of four questions", 4, 3),
        ("an exam of twelve", 12, 40),
        ("an exam of thirty", 30, 101),
        ("an exam of fifty", 50, 250),
        ("few resamples", 40, 21),
    )
    cases = [Case(what, _case(draw, *size)) for what, *size in sizes]
    first, second, picks = _case(draw, 20, 60)
    cases.append(Case("marks that are no whole numbers", (_halved(first), second, picks)))
    same = Case("two models that answer alike", (first, list(first), picks), edge=True)
    return [*cases, same, Case("a single resample", (first, second, picks[:1]), edge=True)]


def _case(draw: random.Random, n: int, resamples: int) -> tuple[Results, Results, Tensor]:
    while True:
        first = [int(draw.random() < 0.5) for _ in range(n)]
        second = [int(mark or draw.random() < 0.4) if draw.random() < 0.9 else 0 for mark in first]
        if sum(second) > sum(first) > 0:
            break
    picks = torch.tensor([[draw.randrange(n) for _ in range(n)] for _ in range(resamples)])
    return first, second, picks


def _halved(marks: Results) -> Results:
    return [mark / 2 for mark in marks]


def _means(marks: Results, picks: Tensor) -> Tensor:
    return torch.tensor(marks, dtype=torch.double)[picks].mean(1)


def _ends(values: Tensor, tail: float) -> tuple[float, float]:
    return values.quantile(tail).item(), values.quantile(1 - tail).item()


def _gain(first: Results, second: Results) -> float:
    return (sum(second) - sum(first)) / len(first)


def _interval(
    first: Results, second: Results, picks: Tensor, *, CONFIDENCE: float
) -> tuple[float, float, float]:
    """The gain, and the percentiles of the gain over resamples."""
    gains = _means(second, picks) - _means(first, picks)
    return _gain(first, second), *_ends(gains, (1 - CONFIDENCE) / 2)


def _from(ends: Callable[[Results, Results, Tensor, float], tuple[float, float]]) -> Callable:
    """A mistake from what it makes of the ends, given the tail on one side."""

    def mistake(first, second, picks, *, CONFIDENCE):
        return _gain(first, second), *ends(first, second, picks, (1 - CONFIDENCE) / 2)

    return mistake


def _apart(first, second, picks, tail):
    (low, high), (low2, high2) = (_ends(_means(m, picks), tail) for m in (first, second))
    return low2 - high, high2 - low


def _unpaired(first, second, picks, tail):
    return _ends(_means(second, picks) - _means(first, picks.roll(1, 0)), tail)


def _normal(first, second, picks, tail):
    gains = _means(second, picks) - _means(first, picks)
    spread = gains.std().item() if len(gains) > 1 else 0.0
    half = NormalDist().inv_cdf(1 - tail) * spread
    return _gain(first, second) - half, _gain(first, second) + half


def _single(first, second, picks, tail):
    apart = torch.tensor(second, dtype=torch.double) - torch.tensor(first, dtype=torch.double)
    return _ends(apart[picks].flatten(), tail)


def _gains(first, second, picks):
    return _means(second, picks) - _means(first, picks)


def _columns(first, second, picks, tail):
    apart = torch.tensor(second, dtype=torch.double) - torch.tensor(first, dtype=torch.double)
    return _ends(apart[picks].mean(0), tail)


def _centred(first, second, picks, *, CONFIDENCE):
    gains = _gains(first, second, picks)
    return gains.mean().item(), *_ends(gains, (1 - CONFIDENCE) / 2)


def _turned(first, second, picks, *, CONFIDENCE):
    return _interval(second, first, picks, CONFIDENCE=CONFIDENCE)


def _turns_over(answer: Callable, seed: int) -> str | None:
    """Which model is called the first can't matter: the interval is mirrored."""
    first, second, picks = _case(random.Random(seed + 1), 16, 50)
    gain, low, high = answer(first, second, picks)
    mirrored = answer(second, first, picks)
    if close(list(mirrored), [-gain, -high, -low]):
        return None
    return "Exchange the two models, and the interval should be mirrored at 0. Yours isn't."


_MISTAKES = {
    "You subtract the second from the first. A gain is what the second has more: a positive figure "
    "says that it is better.": _turned,
    "You cut the whole rest off at both ends. What an interval leaves out is shared: half of it "
    "below, half above.": _from(lambda a, b, p, tail: _ends(_gains(a, b, p), 2 * tail)),
    "You make an interval for each model, and subtract their ends. That forgets that both sat the "
    "same questions, and is far too wide: resample the pairs.": _from(_apart),
    "The two models get resamples of different questions. The same picks for both: then the luck "
    "of the draw cancels.": _from(_unpaired),
    "You add and subtract z standard errors. That supposes a normal distribution; the bootstrap "
    "takes the percentiles of the resamples themselves.": _from(_normal),
    "You take percentiles of single questions. They are −1, 0 or 1: take the mean of each resample "
    "first.": _from(_single),
    "You take means over the resamples, not over the questions of each: each row of `picks` is one "
    "exam.": _from(_columns),
    "You give the lowest and the highest resample. They move outwards with every further resample: "
    "take percentiles.": _from(lambda a, b, p, tail: _ends(_gains(a, b, p), 0.0)),
    "The gain that you report is the mean of the resamples. The estimate is what the exam itself "
    "says; resamples only tell how sure it is.": _centred,
    "np.percentile counts in percent: it wants 2.5, not 0.025. (np.quantile and torch.quantile "
    "count from 0 to 1.)": _from(
        lambda a, b, p, tail: (
            _ends(_gains(a, b, p), tail / 100)[0],
            _gains(a, b, p).quantile((1 - tail) / 100).item(),
        )
    ),
}

paired_bootstrap = Exercise(
    name="evaluation/bootstrap",
    title="An interval by resampling",
    answer="my_interval",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_interval,
    mistakes=_MISTAKES,
    properties=(Property("exchanging the models mirrors the interval", _turns_over),),
    constants={"CONFIDENCE": (0.95, 0.9, 0.8)},
)
