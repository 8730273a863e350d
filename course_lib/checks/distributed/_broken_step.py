"""Diagnose: a data-parallel step that isn't the step of one process."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.distributed.ranks import Group, run_together
from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.faults import left_over

Shards = list[tuple[Tensor, Tensor]]
LR = 0.5
SIZES = (  # tokens of each rank and those of them that count, threshold of clipping
    ("two ranks, no clipping", ((3, 3), (3, 1)), 1e3),
    ("two ranks, clipped", ((4, 4), (4, 2)), 0.05),
    ("three ranks, clipped", ((4, 1), (4, 4), (4, 2)), 0.05),
    ("four ranks, no clipping", ((6, 6), (6, 2), (6, 5), (6, 1)), 1e3),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def step(counts: tuple, clip: float) -> tuple:
        weight, bias = (torch.randn(s, generator=generator) for s in ((4, 3), (4,)))
        shards = []
        for tokens, real in counts:
            x = torch.randn(tokens, 3, generator=generator)
            targets = torch.randint(0, 4, (tokens,), generator=generator)
            targets[real:] = -100
            shards.append((x, targets))
        return weight, bias, shards, LR, clip

    return [
        *(Case(what, step(*sizes)) for what, *sizes in SIZES),
        Case("one rank alone", step(((4, 3),), 1e3), edge=True),
        Case("a rank with nothing but padding", step(((3, 3), (3, 0)), 1e3), edge=True),
    ]


def on_ranks(answer: Callable) -> Callable:
    """``answer`` on one thread a rank: the weights and biases of all ranks after the step."""

    def run(weight: Tensor, bias: Tensor, shards: Shards, lr: float, clip: float) -> list:
        def call(shard: tuple[Tensor, Tensor], group: Group) -> tuple[Tensor, Tensor]:
            x, targets = (part.clone() for part in shard)
            return answer(weight.clone(), bias.clone(), x, targets, group, lr, clip)

        return run_together(call, shards, Group)[0]

    return run


def _step(
    weight: Tensor,
    bias: Tensor,
    x: Tensor,
    targets: Tensor,
    group: Group,
    lr: float,
    clip: float,
    *,
    wrong: tuple[str, ...] = (),
) -> tuple[Tensor, Tensor]:
    """Plain descent on the mean over all ranks' tokens, clipped by the whole gradient's norm.

    ``wrong`` names what is got wrong; nothing by default.
    """
    weight, bias = (p.detach().clone().requires_grad_() for p in (weight, bias))
    logits = F.linear(x, weight, bias)
    total = F.cross_entropy(logits, targets, ignore_index=-100, reduction="sum")
    count = (targets != -100).sum().float()
    if "means" in wrong:
        total = total / count
    own = [g.clone() for g in torch.autograd.grad(total, (weight, bias))]
    if "clip" in wrong:
        own = _clipped(own, clip)
    for gradient in own if "bias" not in wrong else own[:1]:
        group.all_reduce(gradient)
    if "means" in wrong:
        # what isn't summed isn't divided either
        own = [g / group.size if i == 0 or "bias" not in wrong else g for i, g in enumerate(own)]
    elif "no division" not in wrong:
        if "own count" not in wrong:
            group.all_reduce(count)
        own = [g / count for g in own]
    if "clip" not in wrong:
        own = _clipped(own, clip)
    return (weight - lr * own[0]).detach(), (bias - lr * own[1]).detach()


def _clipped(gradients: list[Tensor], clip: float) -> list[Tensor]:
    norm = torch.sqrt(sum(g.square().sum() for g in gradients))
    scale = (clip / norm).clamp(max=1.0)
    return [g * scale for g in gradients]


def _reference(
    weight: Tensor, bias: Tensor, x: Tensor, targets: Tensor, group: Group, lr: float, clip: float
) -> tuple[Tensor, Tensor]:
    return _step(weight, bias, x, targets, group, lr, clip)


def _with(*wrong: str) -> Callable:
    return lambda *given: _step(*given, wrong=wrong)


_FAULTS = {
    "each rank divides by its own tokens, so the ranks average means, and a token on a nearly "
    "empty rank counts for more than one on a full rank. Sum the losses, sum the counts, divide "
    "once": {"means": True},
    "the bias's gradient is never summed over the ranks, so every rank keeps a bias of its own and "
    "they drift apart": {"bias": True},
    "each rank clips its own gradient before the sum. The norm that counts is that of the whole "
    "gradient: average first, then clip": {"clip": True},
}

_MISTAKES = left_over(_FAULTS, lambda change: _with(*change)) | {
    "You sum the gradients and never divide: the step is as many times too long as there are "
    "tokens.": _with("no division"),
    "You divide the summed gradient by this rank's own tokens. Divide by those of all ranks: the "
    "count travels too.": _with("own count"),
}

broken_step = Exercise(
    name="distributed/broken_step",
    title="Four ranks that aren't one",
    answer="train_step",
    kind="diagnose",
    minutes=30,
    points=12,
    cases=_cases,
    reference=_reference,
    mistakes=_MISTAKES,
    harness=on_ranks,
)
