"""Gradient accumulation: one optimizer step from many parts, right to the weight."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.pretraining.loss import IGNORE

Parts = list[tuple[Tensor, Tensor]]
VOCAB, SEQ, FREE = 7, 6, 1e9  # FREE: a norm that no gradient here exceeds


def _cases(seed: int) -> list[Case]:
    """The model is one matrix: row i holds the logits of what comes after token i."""
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, *lengths: Sequence[int], max_norm: float = FREE, edge: bool = False):
        weight = torch.randn(VOCAB, VOCAB, generator=generator)
        steps = [_parts(of, generator) for of in lengths]
        return Case(what, (weight, steps, 0.5, max_norm), edge)

    return [
        case("two steps of parts of equal length", (6, 6), (6, 6)),
        case("parts of unequal length", (6, 1, 3), (2, 6, 1)),
        case("a gradient that is longer than max_norm", (1, 6), (6, 2), max_norm=0.15),
        case("three steps, parts of unequal length", (5, 2), (1, 4, 6), (3, 6), max_norm=0.3),
        case("one step of one part", (4,), edge=True),
        case("a part without any target", (0, 5), (3, 0), edge=True),
    ]


def _parts(lengths: Sequence[int], generator: torch.Generator) -> Parts:
    """A part of two rows for each length; that many targets a row count."""
    parts = []
    for length in lengths:
        inputs, targets = torch.randint(VOCAB, (2, 2, SEQ), generator=generator)
        targets[:, length:] = IGNORE
        parts.append((inputs, targets))
    return parts


def _train(
    weight: Tensor,
    steps: list[Parts],
    lr: float,
    max_norm: float,
    *,
    share: Callable[[Tensor, Tensor, Parts], Tensor] | None = None,
    zero: str = "once",
    clip: str = "once",
    step: str = "once",
) -> Tensor:
    """The right steps with one thing to get wrong at a time; `share`: a part's share of the loss.

    Each of zero, clip and step says when it happens: "once", "each" part or "never".
    """
    share, weight = share or _by_tokens, weight.clone().requires_grad_()
    grad = torch.zeros_like(weight)
    for parts in steps:
        if zero == "once":
            grad = torch.zeros_like(weight)
        for inputs, targets in parts:
            if zero == "each":
                grad = torch.zeros_like(weight)
            grad = grad + torch.autograd.grad(share(weight[inputs], targets, parts), weight)[0]
            if clip == "each":
                grad = _clipped(grad, max_norm)
            if step == "each":
                weight = (weight - lr * grad).detach().requires_grad_()
        if clip == "once":
            grad = _clipped(grad, max_norm)
        if step == "once":
            weight = (weight - lr * grad).detach().requires_grad_()
    return weight.detach()


def _clipped(grad: Tensor, max_norm: float) -> Tensor:
    return grad * min(1.0, max_norm / max(grad.norm().item(), 1e-12))


def _sum(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


def _mean(logits: Tensor, targets: Tensor) -> Tensor:
    return _sum(logits, targets) / (targets != IGNORE).sum().clamp(min=1)


def _count(parts: Parts) -> int:
    return sum(int((targets != IGNORE).sum()) for _, targets in parts)


def _by_tokens(logits: Tensor, targets: Tensor, parts: Parts) -> Tensor:
    return _sum(logits, targets) / _count(parts)


def _right(weight: Tensor, steps: list[Parts], lr: float, max_norm: float) -> Tensor:
    return _train(weight, steps, lr, max_norm)


def _wrong(**change) -> Callable:
    return lambda weight, steps, lr, max_norm: _train(weight, steps, lr, max_norm, **change)


class _Alive:
    """A tensor that autograd keeps for the backward pass; counted as long as it is kept."""

    total = most = 0

    def __init__(self, tensor: Tensor):
        self.tensor, self.numbers = tensor, tensor.numel()
        _Alive.total += self.numbers
        _Alive.most = max(_Alive.most, _Alive.total)

    def __del__(self):
        _Alive.total -= self.numbers


def _held_at_once(answer: Callable, parts: int, generator: torch.Generator) -> int:
    """The most numbers that are kept for a backward pass while a step of so many parts is made."""
    weight = torch.randn(VOCAB, VOCAB, generator=generator)
    step = _parts([SEQ] * parts, generator)
    _Alive.total = _Alive.most = 0
    with torch.autograd.graph.saved_tensors_hooks(_Alive, lambda kept: kept.tensor):
        answer(weight, [step], 0.5, FREE)
    return _Alive.most


def _memory_fault(answer: Callable, seed: int) -> str | None:
    """What is kept for the backward pass must not grow with the number of parts."""
    generator = torch.Generator().manual_seed(seed)
    one, eight = (_held_at_once(answer, parts, generator) for parts in (1, 8))
    if eight <= 2 * one:
        return None
    return (
        f"With eight parts a step keeps {eight / one:.1f} times as much for its backward pass as "
        "with one: nothing is saved. Call backward for each part before the next one's logits."
    )


_MISTAKES = {
    "You average the parts' mean losses. A token in a short part then weighs more than one in a "
    "long part. Sum the losses, and divide by the tokens of all parts.": _wrong(
        share=lambda logits, targets, parts: _mean(logits, targets) / len(parts)
    ),
    "You add the parts' mean losses: the gradient is as many times too long as "
    "there are parts.": _wrong(share=lambda logits, targets, parts: _mean(logits, targets)),
    "You sum over the tokens and never divide: the gradient grows with the batch.": _wrong(
        share=lambda logits, targets, parts: _sum(logits, targets)
    ),
    "You divide twice, by the tokens of all parts and by the number of parts.": _wrong(
        share=lambda logits, targets, parts: _by_tokens(logits, targets, parts) / len(parts)
    ),
    "You divide by all places. Those whose target is -100 don't count.": _wrong(
        share=lambda logits, targets, parts: (
            _sum(logits, targets) / sum(t.numel() for _, t in parts)
        )
    ),
    "The gradients are never set to zero, so the second step still has the first one's.": _wrong(
        zero="never"
    ),
    "You set the gradients to zero before each part: only the last part counts.": _wrong(
        zero="each"
    ),
    "You step after every part, with the gradients of the parts so far. There is one step, after "
    "the last.": _wrong(step="each", clip="each"),
    "You clip after every part. Then an early part's gradient is shortened and a later one isn't; "
    "clip the whole gradient, once.": _wrong(clip="each"),
    "You don't clip. The norm of the whole gradient may be at most max_norm.": _wrong(clip="never"),
    "The gradients are there, but no step is made.": _wrong(step="never"),
}

accumulation = Exercise(
    name="pretraining/accumulation",
    title="Gradient accumulation",
    answer="my_train",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("one part's logits at a time", _memory_fault),),
)
