"""How a fit can stop before its minimum and look surer than it is.

Besiroglu et al. 2024 found approach 3 of Hoffmann et al. 2022 off its own data, with intervals
that 600,000 runs could not have earned. The cause, which an author confirmed to them: the Huber
losses were averaged over the runs, not summed. L-BFGS-B stops when a step gains less than a fixed
amount, and an averaged objective is so small that it stops almost where it started; so does every
refit of the bootstrap, and refits that don't move agree with one another.

Hoffmann's runs are not public. `like_hoffmann` draws runs of that size and spread from a law.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from course_lib.scaling.laws.fit import Law, objective

Array = np.ndarray
# α, β in steps of 1, a, b in steps of 10, as Hoffmann et al. but sparser: 54 starts, not 4,500.
STARTS = tuple(product((0.5,), (0.0, 10.0, 20.0), (0.0, 1.0, 2.0), (10.0, 20.0), (0.0, 1.0, 2.0)))


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs to fit: parameters, tokens, loss."""

    n: Float[Array, " runs"]
    d: Float[Array, " runs"]
    loss: Float[Array, " runs"]

    def __len__(self) -> int:
        return len(self.n)

    def pick(self, rows: Array) -> "Runs":
        """Some of them."""
        return Runs(n=self.n[rows], d=self.d[rows], loss=self.loss[rows])


def like_hoffmann(law: Law, runs: int = 240, noise: float = 0.01, seed: int = 0) -> Runs:
    """Runs of 50M to 16B parameters on 1e18 to 3e21 FLOPs, 1 to 300 tokens a parameter.

    Losses are the law's times a log-normal ``noise``. Ranges: Hoffmann et al. 2022, sections 1 and
    3.2; the number of runs: Besiroglu et al. 2024, section 2.
    """
    random = np.random.default_rng(seed)
    n = np.exp(random.uniform(np.log(5e7), np.log(1.6e10), 8 * runs))
    flops = np.exp(random.uniform(np.log(1e18), np.log(3e21), 8 * runs))
    ratio = flops / 6 / n / n
    fit = np.flatnonzero((ratio > 1) & (ratio < 300))[:runs]
    n, d = n[fit], flops[fit] / 6 / n[fit]
    return Runs(n=n, d=d, loss=law.loss(n, d) * np.exp(noise * random.standard_normal(len(n))))


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Where an optimiser stopped: the law, its coordinates, the summed objective, the steps."""

    law: Law
    theta: Float[Array, " 5"]
    summed: float
    steps: int

    @property
    def n_power(self) -> float:
        """The exponent of N ∝ C^a that the law implies: β / (α + β)."""
        return self.law.b / (self.law.a + self.law.b)


def descend(runs: Runs, start: tuple[float, ...] | Array, total: str, scale: float = 1.0) -> Stop:
    """L-BFGS-B at its default tolerances from one start, on the sum or the mean of the losses.

    ``scale`` multiplies the objective: it moves no minimum, and decides where this stops.
    """
    if total not in ("sum", "mean"):
        raise ValueError(f"total={total!r}: expected 'sum' or 'mean'")
    logs = np.log(runs.n), np.log(runs.d), np.log(runs.loss)
    by = scale / (len(runs) if total == "mean" else 1)

    def scaled(theta: Array) -> tuple[float, Array]:
        value, slope = objective(theta, *logs)
        return value * by, slope * by

    with threadpool_limits(1):
        found = minimize(scaled, np.array(start, float), jac=True, method="L-BFGS-B")
    e, big_a, a, big_b, b = (float(x) for x in found.x)
    law = Law(E=np.exp(e), A=np.exp(big_a), a=a, B=np.exp(big_b), b=b)
    return Stop(law=law, theta=found.x, summed=float(found.fun) / by, steps=found.nit)


def best_of(runs: Runs, total: str, scale: float = 1.0) -> Stop:
    """The lowest stop from all of STARTS."""
    return min((descend(runs, s, total, scale) for s in STARTS), key=lambda stop: stop.summed)


def exponents(
    runs: Runs, from_: Stop, total: str, scale: float = 1.0, *, repeats: int = 60, seed: int = 0
) -> Float[Array, " repeats"]:
    """The exponent a of refits to 80 % of the runs, each started at ``from_``.

    Source: Hoffmann et al. 2022, table 2, who took the 10th and 90th percentile of 100 such.
    """
    random = np.random.default_rng(seed)
    picks = (random.permutation(len(runs))[: round(0.8 * len(runs))] for _ in range(repeats))
    return np.array([descend(runs.pick(rows), from_.theta, total, scale).n_power for rows in picks])
