"""Three ways from runs to "how large should the model be?": envelope, IsoFLOP, parametric.

All three end in N_opt ∝ C^exponent. Runs are given as arrays: parameters n, FLOPs c, loss in nats
a token; whoever counts parameters or FLOPs otherwise passes other arrays and gets another answer.
Source: Hoffmann et al. 2022, sections 3.1 to 3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from course_lib.scaling.laws.fit import Law, above_zero

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Power:
    """y = factor · x^exponent."""

    factor: float
    exponent: float

    def at(self, x: float | Float[Array, "..."]):
        """The value at x."""
        return self.factor * np.asarray(x, float) ** self.exponent


def power_law(x: Float[Array, " points"], y: Float[Array, " points"]) -> Power:
    """The straight line through (log x, log y) by least squares.

    Raises ValueError for fewer than two different x, and for a value that isn't above 0.
    """
    log_x, log_y = (np.log(values) for values in above_zero(x=x, y=y))
    apart = log_x - log_x.mean() if len(log_x) else log_x
    if len(log_x) < 2 or not np.any(np.abs(apart) > 1e-12):
        raise ValueError(f"x={np.asarray(x)}: a line takes at least two different values")
    exponent = (apart * log_y).sum() / (apart**2).sum()
    return Power(
        factor=float(np.exp(log_y.mean() - exponent * log_x.mean())), exponent=float(exponent)
    )


@dataclass(frozen=True, kw_only=True)
class Parabola:
    """L = curve (x - x₀)² + least, with x = log N."""

    curve: float
    log_n: float
    least: float
    inside: bool  # whether the vertex lies between the sizes that were trained

    @property
    def n(self) -> float:
        """Parameters at the vertex."""
        return float(np.exp(self.log_n))

    def at(self, n: float | Float[Array, "..."]):
        """The loss that the parabola gives for n parameters."""
        return self.curve * (np.log(np.asarray(n, float)) - self.log_n) ** 2 + self.least


def parabola(n: Float[Array, " sizes"], loss: Float[Array, " sizes"]) -> Parabola:
    """The parabola through loss against log N by least squares, and its vertex.

    With z = log N less its mean, the three sums Σ L z^k, k = 0, 1, 2 give c₀ + c₁ z + c₂ z², whose
    vertex is -c₁ / 2c₂. Raises ValueError for fewer than three sizes, or where the parabola opens
    downwards: then the budget's best size isn't among those tried.
    """
    n, loss = above_zero(n=n, loss=loss)
    log_n = np.log(n)
    sizes = len(np.unique(log_n))
    if sizes < 3:
        raise ValueError(f"{sizes} different sizes: a parabola takes at least 3")
    middle = log_n.mean()
    powers = np.vander(log_n - middle, 3, increasing=True)
    c0, c1, c2 = np.linalg.solve(powers.T @ powers, powers.T @ loss)
    if not c2 > 0:
        raise ValueError(f"curvature {c2:.3g}: the parabola has no lowest point, try other sizes")
    vertex = -c1 / (2 * c2)
    log_vertex = float(middle + vertex)
    return Parabola(
        curve=float(c2),
        log_n=log_vertex,
        least=float(c0 - c1**2 / (4 * c2)),
        inside=bool(log_n.min() <= log_vertex <= log_n.max()),
    )


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What every size reaches with one budget."""

    budget: float
    n: Float[Array, " sizes"]
    loss: Float[Array, " sizes"]


def slices(
    n: Float[Array, " runs"],
    c: Float[Array, " runs"],
    loss: Float[Array, " runs"],
    budgets: Float[Array, " budgets"],
) -> list[Slice]:
    """The loss of every size at every budget, read off its own curve.

    log L is taken as straight in log C between two runs of a size. A size has no value at a budget
    below its first run or above its last: nothing is extrapolated.
    """
    n, c, loss = above_zero(n=n, c=c, loss=loss)
    curves = {}
    for size in np.unique(n):
        log_c, first = np.unique(np.log(c[n == size]), return_index=True)
        curves[size] = log_c, np.log(loss[n == size][first])
    found = []
    for budget in budgets:
        at, slack = np.log(budget), 1e-9
        reached = {
            size: np.exp(np.interp(at, log_c, log_l))
            for size, (log_c, log_l) in curves.items()
            if log_c[0] - slack <= at <= log_c[-1] + slack
        }
        found.append(
            Slice(
                budget=float(budget),
                n=np.array(list(reached)),
                loss=np.array(list(reached.values())),
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Optima:
    """The best size of each budget, and the power law through them."""

    budgets: Float[Array, " found"]
    n: Float[Array, " found"]
    law: Power


def envelope(
    n: Float[Array, " runs"],
    c: Float[Array, " runs"],
    loss: Float[Array, " runs"],
    budgets: Float[Array, " budgets"],
) -> Optima:
    """Approach 1: at each budget the trained size with the least loss, and a line through those.

    Budgets that fewer than three sizes reach are left out. Deviation: Hoffmann et al. 2022 take
    1,500 budgets along each run's training curve; ours pass between finished runs.
    """
    seen = [s for s in slices(n, c, loss, budgets) if len(s.n) >= 3]
    best = np.array([s.n[s.loss.argmin()] for s in seen])
    found = np.array([s.budget for s in seen])
    return Optima(budgets=found, n=best, law=power_law(found, best))


def isoflop(
    n: Float[Array, " runs"],
    c: Float[Array, " runs"],
    loss: Float[Array, " runs"],
    budgets: Float[Array, " budgets"],
    reach: float = 4.0,
) -> tuple[list[Parabola | None], Optima]:
    """Approach 2: a parabola a budget, and a line through their lowest points.

    Far from its lowest point an IsoFLOP curve is no parabola, so only sizes within a factor of
    ``reach`` of the best trained one are fitted. None stands where no parabola can be had; a vertex
    outside the sizes fitted doesn't count. Raises ValueError where fewer than two budgets have a
    vertex that counts.
    """
    parabolas: list[Parabola | None] = []
    for one in slices(n, c, loss, budgets):
        try:
            best = one.n[one.loss.argmin()] if len(one.n) else 1.0
            near = np.abs(np.log(one.n / best)) <= np.log(reach)
            parabolas.append(parabola(one.n[near], one.loss[near]))
        except ValueError:
            parabolas.append(None)
    kept = [(b, p.n) for b, p in zip(budgets, parabolas, strict=True) if p and p.inside]
    if len(kept) < 2:
        raise ValueError(f"{len(kept)} budgets with a lowest point inside: expected at least 2")
    found, best = np.array(kept).T
    return parabolas, Optima(budgets=found, n=best, law=power_law(found, best))


def exponent_of(law: Law) -> float:
    """Approach 3: N_opt ∝ C^(b / (a + b)). Source: Hoffmann et al. 2022, equation 4."""
    return law.b / (law.a + law.b)


def resampled(
    estimate: Callable[[Array], float], runs: int, *, repeats: int = 200, seed: int = 0
) -> Float[Array, " kept"]:
    """``estimate(indices)`` on resamples of the runs, with replacement; one a resample.

    Where ``estimate`` raises ValueError the resample is skipped, so fewer may come back: too few
    runs show as a short answer, not as a narrow interval. Source: Efron 1979.
    """
    if repeats < 1 or runs < 1:
        raise ValueError(f"repeats={repeats}, runs={runs}: expected at least 1 of both")
    random = np.random.default_rng(seed)
    found = []
    for _ in range(repeats):
        try:
            found.append(estimate(random.integers(0, runs, runs)))
        except ValueError:
            continue
    return np.array(found)
