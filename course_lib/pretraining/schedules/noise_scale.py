"""The gradient-noise scale, and what a larger batch buys.

The gradient of one batch is the true gradient plus noise. Where the noise is large, more rows in
the batch make a better step; where it is small, they only cost more. The noise scale is the batch
at which the two are equal.

Source: McCandlish et al. 2018, "An Empirical Model of Large-Batch Training".
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

from course_lib.architecture.ops import at_least_float32
from course_lib.pretraining.loss import cross_entropy, document_ids
from course_lib.pretraining.precision.autocast import autocast


@dataclass(frozen=True, kw_only=True)
class NoiseScale:
    """``signal`` = |G|^2 of the true gradient; ``noise`` = tr(Sigma), its variance for one row."""

    signal: float
    noise: float

    @property
    def rows(self) -> float:
        """B_simple = tr(Sigma) / |G|^2, in rows; infinite where no signal is left to be seen."""
        return self.noise / self.signal if self.signal > 0 else math.inf


def two_batch(small_square: float, big_square: float, *, small: int, big: int) -> NoiseScale:
    """|G|^2 and tr(Sigma) from the mean squared gradient norms at two batch sizes.

    The squared norm of a batch's gradient is too long by the noise that is left in it::

        E |g_B|^2 = |G|^2 + tr(Sigma) / B

    Two sizes give two such equations, and so both unknowns, each without bias. Their ratio has
    some, which averaging both before dividing makes small (see ``pooled``). Source: McCandlish et
    al. 2018, appendix A.1.
    """
    if not 0 < small < big:
        raise ValueError(f"small={small}, big={big}: expected 0 < small < big")
    signal = (big * big_square - small * small_square) / (big - small)
    noise = (small_square - big_square) / (1 / small - 1 / big)
    return NoiseScale(signal=signal, noise=noise)


def pooled(measured: Sequence[NoiseScale]) -> NoiseScale:
    """The mean of signals and the mean of noises: average first, divide last."""
    if not measured:
        raise ValueError("measured is empty: expected at least one noise scale")
    n = len(measured)
    return NoiseScale(
        signal=sum(m.signal for m in measured) / n, noise=sum(m.noise for m in measured) / n
    )


def relative_error(measured: Sequence[NoiseScale]) -> float:
    """Standard error of the pooled ``rows`` over its value, by leaving one draw out at a time.

    The jackknife: with x_i the ratio without draw i, the variance is (n - 1) / n times the sum of
    (x_i - mean)^2. Infinite where one of the x_i has no signal.
    """
    n = len(measured)
    if n < 2:
        raise ValueError(f"{n} draw(s): an error needs at least 2")
    without = [pooled([*measured[:i], *measured[i + 1 :]]).rows for i in range(n)]
    if not all(math.isfinite(x) for x in without):
        return math.inf
    mean = sum(without) / n
    variance = (n - 1) / n * sum((x - mean) ** 2 for x in without)
    return math.sqrt(variance) / pooled(measured).rows


def measure(
    model: nn.Module,
    inputs: Int[Tensor, "batch seq"],
    targets: Int[Tensor, "batch seq"],
    *,
    small: int = 1,
    eos_id: int | None = None,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
) -> NoiseScale:
    """The noise scale of ``model`` on one batch, cut into parts of ``small`` rows.

    The big gradient is the plain mean of the parts' gradients, so that the two estimates are
    unbiased exactly; a training step would weigh each part by its tokens, which packed rows have
    nearly equally many of. Leaves no gradients behind. Raises ValueError where the batch isn't at
    least two whole parts.
    """
    parts, left = divmod(len(inputs), small)
    if left or parts < 2:
        raise ValueError(f"{len(inputs)} rows in parts of {small}: expected two or more whole ones")
    weights = [p for p in model.parameters() if p.requires_grad]
    total, squares = [torch.zeros_like(p) for p in weights], 0.0
    for x, y in zip(inputs.split(small), targets.split(small), strict=True):
        with autocast(x.device):
            loss = loss_fn(model(x, documents=document_ids(x, eos_id)), y)
        grads = torch.autograd.grad(loss, weights)
        squares += sum(at_least_float32(g).square().sum().item() for g in grads)
        torch._foreach_add_(total, grads)
    big_square = sum(at_least_float32(t / parts).square().sum().item() for t in total)
    return two_batch(squares / parts, big_square, small=small, big=parts * small)


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """Steps to reach a loss at batch B: ``least_steps`` (1 + ``critical`` / B)."""

    least_steps: float
    critical: float

    def steps(self, batch: int | float) -> float:
        """Steps at this batch size."""
        return self.least_steps * (1 + self.critical / batch)

    def rows(self, batch: int | float) -> float:
        """Rows of text read: steps times batch, at least ``least_steps`` x ``critical``."""
        return self.steps(batch) * batch


def fit_tradeoff(batches: Sequence[int | float], steps: Sequence[int | float]) -> Tradeoff:
    """Fit S = S_min (1 + B_crit / B) to measured steps, by least squares of log S.

    It is (S / S_min - 1)(E / E_min - 1) = 1 with E = B S, solved for S; B_crit = E_min / S_min.
    For a given B_crit the best log S_min is a mean, so one number is left to search for. Raises
    ValueError with fewer than three points. Source: McCandlish et al. 2018, section 2.3.
    """
    if len(batches) != len(steps) or len(batches) < 3:
        raise ValueError(f"{len(batches)} batches, {len(steps)} steps: expected 3 or more of each")

    def residuals(log_critical: float) -> tuple[float, float]:
        shape = [math.log1p(math.exp(log_critical) / b) for b in batches]
        rest = [math.log(s) - c for s, c in zip(steps, shape, strict=True)]
        mean = sum(rest) / len(rest)
        return sum((r - mean) ** 2 for r in rest), mean

    low, high = math.log(min(batches)) - 7, math.log(max(batches)) + 7
    for _ in range(8):  # each round keeps a twentieth of the span
        grid = [low + (high - low) * i / 40 for i in range(41)]
        best = min(grid, key=lambda x: residuals(x)[0])
        low, high = best - (high - low) / 40, best + (high - low) / 40
    return Tradeoff(least_steps=math.exp(residuals(best)[1]), critical=math.exp(best))
