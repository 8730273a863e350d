"""One training step under torch's profiler: which operators took the time, and what they are."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from course_lib import measure

# What an operator is, by a part of its name; the first that fits counts. The right column is kind.
KINDS = (
    ("scaled_dot_product", "attention", "scores, softmax and mix in one kernel"),
    ("flash_attention", "attention", "scores, softmax and mix in one kernel"),
    ("embedding", "lookup", "rows of the embedding, or their gradient added back"),
    ("index", "lookup", "rows picked by number"),
    ("gather", "lookup", "the target's logit picked out, or its gradient put back"),
    ("mm", "matrix product", "the weights at work: where the FLOPs are"),
    ("linear", "matrix product", "a call that ends in a matrix product"),
    ("norm", "reduction", "many numbers to one: norms, clipping"),
    ("mean", "reduction", "many numbers to one"),
    ("sum", "reduction", "many numbers to one"),
    ("amax", "reduction", "the softmax's largest number, taken out first"),
    ("logsumexp", "reduction", "the softmax's denominator"),
    ("lerp_", "optimizer", "the running mean of the gradient"),
    ("addcmul_", "optimizer", "the running mean of its square"),
    ("addcdiv_", "optimizer", "the step itself"),
    ("copy", "copy", "moved in memory, nothing computed"),
    ("contiguous", "copy", "moved in memory, nothing computed"),
    ("clone", "copy", "moved in memory, nothing computed"),
    ("cat", "copy", "moved in memory, nothing computed"),
    ("Backward", "bookkeeping", "autograd's own work around the kernels"),
    ("autograd::", "bookkeeping", "autograd's own work around the kernels"),
    ("Optimizer.step", "bookkeeping", "the optimizer's loop in Python"),
    ("aten::view", "bookkeeping", "a new shape for the same memory"),
    ("aten::", "element-wise", "one number in, one out: bound by memory"),
)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator's calls in the step. ``self_ms`` leaves out what it calls in turn."""

    name: str
    calls: int
    self_ms: float
    share: float
    flops: int
    kind: str
    meaning: str


def kind_of(name: str) -> tuple[str, str]:
    """Kind and meaning of an operator; what isn't torch's is a stretch that the caller marked."""
    for part, kind, meaning in KINDS:
        if part in name:
            return kind, meaning
    return "marked by you", "a stretch of your own code"


def profile_step(
    step: Callable[[], object], device: torch.device, warmup: int = 2
) -> list[Operator]:
    """Run ``step`` some times unwatched, then once under the profiler; the slowest operator first.

    Time is the device's own where it is a GPU, else the CPU's. The first calls are left out:
    they allocate memory and choose kernels. Raises ValueError where no time was seen.
    """
    for _ in range(warmup):
        step()
    measure.synchronize(device)
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, with_flops=True) as seen:
        step()
        measure.synchronize(device)
    clock = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    averages = seen.key_averages()
    total = sum(getattr(row, clock) for row in averages)
    if total <= 0:
        raise ValueError("step: the profiler saw no operator of torch in it")
    operators = [
        Operator(
            name=row.key,
            calls=row.count,
            self_ms=getattr(row, clock) / 1e3,
            share=getattr(row, clock) / total,
            flops=int(row.flops),
            kind=kind_of(row.key)[0],
            meaning=kind_of(row.key)[1],
        )
        for row in averages
    ]
    return sorted(operators, key=lambda operator: -operator.share)


def by_kind(operators: list[Operator]) -> dict[str, float]:
    """Share of the step's time by kind, the largest first; the shares add up to 1."""
    shares: dict[str, float] = {}
    for operator in operators:
        shares[operator.kind] = shares.get(operator.kind, 0.0) + operator.share
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
