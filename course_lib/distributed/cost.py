"""What a step of many devices costs: messages, memory, and the time they take together.

The α-β model of a message: α seconds before the first byte (latency), then n / β seconds
(β bytes a second). Source: Thakur, Rabenseifner & Gropp 2005, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls


@dataclass(frozen=True, kw_only=True)
class Link:
    """A connection between neighbours: ``alpha`` in seconds, ``beta`` in bytes a second."""

    alpha: float
    beta: float

    def seconds(self, n_bytes: float) -> float:
        """Time of one message: α + n / β."""
        return self.alpha + n_bytes / self.beta


# One direction. Bandwidths from the makers' data sheets; the latencies are orders of magnitude.
LINKS = {
    "NVLink 4 (H100)": Link(alpha=5e-6, beta=450e9),
    "InfiniBand 400 Gb/s": Link(alpha=10e-6, beta=50e9),
    "Ethernet 10 Gb/s": Link(alpha=50e-6, beta=1.25e9),
}

STAGES = ("ddp", "zero1", "zero2", "zero3")


def ring_seconds(n_bytes: float, size: int, link: Link) -> float:
    """Ring all-reduce: 2 (p - 1) rounds, each a message of n / p bytes."""
    return 2 * (size - 1) * link.seconds(n_bytes / size)


def naive_seconds(n_bytes: float, size: int, link: Link) -> float:
    """By way of rank 0: 2 (p - 1) whole vectors over one link, one after another."""
    return 2 * (size - 1) * link.seconds(n_bytes)


def fit_link(n_bytes: Sequence[float], sizes: Sequence[int], seconds: Sequence[float]) -> Link:
    """The α and β that explain measured ring all-reduces best, in relative error.

    t = 2(p - 1) α + (2(p - 1)/p) n / β is linear in α and 1/β: non-negative least squares, each
    row divided by its t.
    """
    n, p, t = (np.asarray(x, float) for x in (n_bytes, sizes, seconds))
    if len(t) < 2 or (t <= 0).any():
        raise ValueError(f"{len(t)} times: expected at least two, all above 0")
    rows = np.stack([2 * (p - 1) / t, 2 * (p - 1) / p * n / t], axis=1)
    # In units of µs and s/GB, or the two columns differ by a factor of 1e6.
    scale = np.array([1e-6, 1e-9])
    (alpha, inverse_beta), _ = nnls(rows * scale, np.ones(len(t)))
    if inverse_beta == 0:
        raise ValueError("time doesn't grow with size: measure larger messages to see bandwidth")
    return Link(alpha=float(alpha * 1e-6), beta=float(1e9 / inverse_beta))


def memory_per_device(parameters: float, size: int, stage: str) -> float:
    """Bytes a device for weights, gradients and AdamW's state, in mixed precision.

    2 bytes a weight, 2 a gradient, 12 of state (fp32 copy and two moments); stage 1 shards the
    state, 2 the gradients too, 3 the weights too. Activations come on top.
    Source: Rajbhandari et al. 2020, figure 1.
    """
    if stage not in STAGES:
        raise ValueError(f"stage={stage!r}: expected one of {', '.join(STAGES)}")
    level = STAGES.index(stage)
    shares = (size if level >= 3 else 1, size if level >= 2 else 1, size if level >= 1 else 1)
    return parameters * sum(b / s for b, s in zip((2, 2, 12), shares, strict=True))


def traffic_per_step(parameters: float, size: int, stage: str, bytes_each: int = 2) -> float:
    """Bytes each device sends a step: 2 (p - 1)/p of the weights' bytes; 3 (p - 1)/p in stage 3.

    Stage 3 gathers the weights twice, before forward and before backward, and scatters gradients.
    Source: Rajbhandari et al. 2020, section 7.
    """
    if stage not in STAGES:
        raise ValueError(f"stage={stage!r}: expected one of {', '.join(STAGES)}")
    passes = 3 if stage == "zero3" else 2
    return passes * (size - 1) / size * parameters * bytes_each


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one step: arithmetic, traffic, and the whole with traffic hidden or not."""

    compute: float
    traffic: float

    @property
    def in_turn(self) -> float:
        """First compute, then send."""
        return self.compute + self.traffic

    @property
    def overlapped(self) -> float:
        """Traffic runs beside the backward pass (two thirds of compute); the rest sticks out."""
        return self.compute + max(0.0, self.traffic - 2 / 3 * self.compute)


def step_time(
    parameters: float, tokens: float, size: int, link: Link, flops_per_second: float
) -> StepTime:
    """A data-parallel step over ``tokens`` tokens in all, bf16 gradients in a ring.

    Compute is 6 N tokens / p over the *achieved* FLOPs a second of one device: a dense model, whose
    N parameters each token meets.
    """
    compute = 6 * parameters * tokens / size / flops_per_second
    return StepTime(compute=compute, traffic=ring_seconds(2 * parameters, size, link))
