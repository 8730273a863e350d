"""Top-p sampling: the fewest tokens that hold a share p of the probability."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.sampling.filters import Filters
from course_lib.checks.exercise import Case, Exercise, Property

TopP = Callable[[Tensor, float], Tensor]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, rows: int, vocab: int, low: float, high: float, shift: float = 0.0) -> Case:
        logits = 2 * torch.randn(rows, vocab, generator=generator) + shift
        return Case(what, (logits, _clear_of_sums(logits, low, high, generator)))

    sure = torch.randn(2, 4, generator=generator)
    sure[:, int(torch.randint(4, (), generator=generator))] += 6
    filtered = torch.randn(3, 8, generator=generator)
    filtered[:, torch.randperm(8, generator=generator)[:3]] = float("-inf")
    one = torch.randn(2, 1, generator=generator)
    return [
        case("one row of four tokens", 1, 4, 0.4, 0.8),
        Case("one token of each row holds more than p", (sure, 0.5)),
        case("five rows, a large p", 5, 12, 0.85, 0.95),
        case("five rows, a small p", 5, 12, 0.2, 0.4),
        case("all logits far below zero", 3, 6, 0.5, 0.7, shift=-20.0),
        Case(
            "another filter has hidden some tokens already",
            (filtered, _clear_of_sums(filtered, 0.5, 0.8, generator)),
        ),
        Case("p = 1 keeps them all", (torch.randn(2, 5, generator=generator), 1.0), edge=True),
        Case("a vocabulary of one token", (one, 0.5), edge=True),
        Case("a batch of no rows", (torch.zeros(0, 5), 0.5), edge=True),
    ]


def _clear_of_sums(logits: Tensor, low: float, high: float, generator: torch.Generator) -> float:
    """A p that no running sum comes near, so that rounding decides nothing."""
    sums = logits.softmax(-1).sort(dim=-1, descending=True).values.cumsum(-1)
    while True:
        p = low + (high - low) * float(torch.rand((), generator=generator))
        if (sums - p).abs().min() > 1e-3:
            return p


def _reference(logits: Tensor, p: float) -> Tensor:
    return Filters(top_p=p)(logits).softmax(-1)


def _boundary_fault(answer: TopP, seed: int) -> str | None:
    """Two of four equal tokens hold 0.5 exactly: no third one is needed."""
    kept = int((answer(torch.zeros(1, 4), 0.5) > 0).sum())
    if kept in (2, 4):  # four: who cuts by value keeps all equals of the last one
        return None
    return f"Of four equal tokens {kept} are kept for p = 0.5: two hold 0.5 exactly."


def _shift_fault(answer: TopP, seed: int) -> str | None:
    """A softmax doesn't mind a constant added to a whole row."""
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(seed))
    p = _clear_of_sums(logits, 0.5, 0.8, torch.Generator().manual_seed(seed))
    before, after = answer(logits, p), answer(logits + 3, p)
    if torch.allclose(before, after, atol=1e-5, equal_nan=True):
        return None
    kept = [int((x > 0).sum()) for x in (before, after)]
    return (
        f"With 3 added to every logit, {kept[1]} tokens are kept in place of {kept[0]}, or with "
        "other shares. A constant changes no probability."
    )


def _order_fault(answer: TopP, seed: int) -> str | None:
    """Tokens have no order: renumbered, each keeps its probability."""
    generator = torch.Generator().manual_seed(seed)
    logits, order = torch.randn(2, 6, generator=generator), torch.randperm(6, generator=generator)
    p = _clear_of_sums(logits, 0.5, 0.8, generator)
    here, there = answer(logits, p)[:, order], answer(logits[:, order], p)
    if torch.allclose(here, there, atol=1e-5, equal_nan=True):
        return None
    return f"With the tokens in the order {order.tolist()}, they get other probabilities."


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


def _changed(**change) -> TopP:
    return lambda logits, p: _nucleus(logits, p, **change)


_MISTAKES = {
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
    "Nothing is dropped: these are the model's own probabilities.": (
        lambda logits, p: logits.softmax(-1)
    ),
}

top_p = Exercise(
    name="architecture/top_p",
    title="Top-p sampling",
    answer="my_top_p",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_reference,
    mistakes=_MISTAKES,
    properties=(
        Property("a sum that is p exactly is enough", _boundary_fault),
        Property("a constant added to a row changes nothing", _shift_fault),
        Property("the order of the tokens doesn't matter", _order_fault),
    ),
)
