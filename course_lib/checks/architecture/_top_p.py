"""The instant check of top-p sampling, re-exported by `checks.architecture`."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.filters import Filters
from course_lib.checks._report import CheckReport, run_check


def top_p(fn: Callable[[Tensor, float], Tensor]) -> CheckReport:
    """Check fn(logits, p) -> probabilities [batch, vocab] against `Filters(top_p=p)`."""
    generator = torch.Generator().manual_seed(0)
    by_hand = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.02, 0.9, 0.05, 0.03]]).log()
    random = 3 * torch.randn(5, 12, generator=generator)
    cases = [(by_hand, 0.65), (by_hand, 0.8), (random, 0.9), (random, 0.3), (random - 5, 0.6)]
    return run_check("Top-p", fn, cases, _reference, mistakes=TOP_P_MISTAKES)


def _reference(logits: Tensor, p: float) -> Tensor:
    return Filters(top_p=p)(logits).softmax(-1)


def _nucleus(
    logits: Tensor,
    p: float,
    *,
    descending: bool = True,
    crossing: bool = True,
    summed: Callable[[Tensor], Tensor] = lambda ordered: ordered.softmax(-1),
    axis: int = -1,
    back: bool = True,
    filler: float = float("-inf"),
    renormalise: bool = True,
) -> Tensor:
    """Top-p with one thing to get wrong at a time; right by default."""
    ordered, index = logits.sort(dim=-1, descending=descending)
    mass = summed(ordered)
    reached = mass.cumsum(axis)
    dropped = reached - mass >= p if crossing else reached > p
    if not back:
        return ordered.masked_fill(dropped, filler).softmax(-1)
    dropped = dropped.scatter(-1, index, dropped)
    if not renormalise:
        return logits.softmax(-1).masked_fill(dropped, 0.0)
    return logits.masked_fill(dropped, filler).softmax(-1)


def _changed(**change) -> Callable[[Tensor, float], Tensor]:
    return lambda logits, p: _nucleus(logits, p, **change)


TOP_P_MISTAKES = {
    "You drop the token that crosses p. The kept ones must *reach* p; and where the first token "
    "alone has more than p, nothing is left: the softmax of nothing but -inf is NaN.": _changed(
        crossing=False
    ),
    "You start from the least likely tokens: sort in descending order.": _changed(descending=False),
    "Your probabilities come in the order of the sort, so they belong to other tokens. Take the "
    "mask back to the tokens' places with scatter.": _changed(back=False),
    "You sum up logits. p is a share of probability: take the softmax of the sorted logits.": (
        _changed(summed=lambda ordered: ordered)
    ),
    "You sum down the batch: each row is a distribution of its own, over the last axis.": _changed(
        axis=0
    ),
    "What is left doesn't sum to 1. Mask the logits and take the softmax again.": _changed(
        renormalise=False
    ),
    "You put 0 into the dropped logits: exp(0) = 1, so they can still be drawn. Put -inf.": (
        _changed(filler=0.0)
    ),
    "That is min-p: it compares each token with the likeliest. Top-p sums up what came before.": (
        lambda logits, p: Filters(min_p=p)(logits).softmax(-1)
    ),
}
