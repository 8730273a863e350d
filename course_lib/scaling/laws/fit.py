"""The parametric scaling law and its fit, with intervals.

Notation of Hoffmann et al. 2022: N parameters, D tokens, L loss in nats a token. Their α and β
are ``a`` and ``b`` here.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

Array = np.ndarray
DELTA = 1e-3  # Huber's threshold on the log loss: larger residuals count linearly
BOUNDS = [(-10.0, 3.0), (-10.0, 60.0), (0.0, 3.0), (-10.0, 60.0), (0.0, 3.0)]


@dataclass(frozen=True, kw_only=True)
class Law:
    """L(N, D) = E + A / N^a + B / D^b: irreducible, for want of parameters, for want of data.

    Source: Hoffmann et al. 2022, equation 2. Raises ValueError for what isn't a finite number.
    """

    E: float
    A: float
    a: float
    B: float
    b: float

    def __post_init__(self):
        if not np.isfinite(astuple(self)).all():
            raise ValueError(f"{self}: expected five finite numbers")

    def loss(self, n: Float[Array, "..."] | float, d: Float[Array, "..."] | float):
        """Predicted loss in nats a token."""
        n, d = np.asarray(n, float), np.asarray(d, float)
        return self.E + self.A * n**-self.a + self.B * d**-self.b


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted law, its objective, and the residuals log(predicted / measured) of the runs."""

    law: Law
    objective: float
    residuals: Float[Array, " runs"]


def huber(residuals: Float[Array, " runs"], delta: float = DELTA) -> Float[Array, " runs"]:
    """r²/2 where |r| ≤ δ, else δ(|r| - δ/2): an outlying run pulls with a bounded force."""
    size = np.abs(residuals)
    return np.where(size <= delta, residuals**2 / 2, delta * (size - delta / 2))


def objective(
    theta: Float[Array, " 5"],
    log_n: Float[Array, " runs"],
    log_d: Float[Array, " runs"],
    log_l: Float[Array, " runs"],
    delta: float = DELTA,
) -> tuple[float, Float[Array, " 5"]]:
    """Σ Huber(LSE(e, A' - a log N, B' - b log D) - log L), and its gradient.

    θ = (e, A', a, B', b) = (log E, log A, a, log B, b). LSE is log Σ exp, so the sum of the three
    terms is taken among logarithms. Its derivative by a term is that term's share of the sum.
    Source: Hoffmann et al. 2022, equation 3.
    """
    e, big_a, a, big_b, b = theta
    terms = np.stack([np.full_like(log_n, e), big_a - a * log_n, big_b - b * log_d])
    top = terms.max(0)
    weights = np.exp(terms - top)
    total = weights.sum(0)
    residuals = top + np.log(total) - log_l
    pull = np.clip(residuals, -delta, delta) * weights / total  # dHuber/dr × share, a term a row
    in_e, in_a, in_b = pull
    slope = np.array(
        [in_e.sum(), in_a.sum(), -(in_a * log_n).sum(), in_b.sum(), -(in_b * log_d).sum()]
    )
    return float(huber(residuals, delta).sum()), slope


def default_starts() -> list[tuple[float, ...]]:
    """A grid of starting points θ: the objective has local minima, so one start isn't enough."""
    return list(product((0.0,), (1.0, 5.0), (0.3, 0.8), (2.0, 6.0), (0.3, 0.8)))


def above_zero(**columns: Array) -> list[Array]:
    """The columns as float arrays. Raises ValueError for the first value that isn't above 0.

    Whoever takes logarithms asks this first: one NaN (a run that diverged) makes the objective NaN
    everywhere, and an optimizer that can't compare returns its starting point as the law.
    """
    arrays = {name: np.asarray(values, float) for name, values in columns.items()}
    for name, values in arrays.items():
        for i in np.flatnonzero(~(np.isfinite(values) & (values > 0)))[:1]:
            raise ValueError(
                f"{name}[{i}] = {values.flat[i]}: expected a finite number above 0, as its "
                "logarithm is taken; leave out runs that diverged"
            )
    return list(arrays.values())


def fit_law(
    n: Float[Array, " runs"],
    d: Float[Array, " runs"],
    loss: Float[Array, " runs"],
    *,
    starts: Iterable[tuple[float, ...]] | None = None,
    delta: float = DELTA,
) -> Fit:
    """The law with the least Huber loss on log L, by L-BFGS from every start.

    Deviation from the paper: 16 starts rather than 4,500, since exact gradients are used.
    Raises ValueError for fewer than five runs, since five numbers can't be had from four, and for
    a value that isn't a number above 0.
    """
    n, d, loss = above_zero(N=n, D=d, L=loss)
    if not len(n) == len(d) == len(loss) >= 5:
        raise ValueError(f"{len(n)}, {len(d)}, {len(loss)} values of N, D, L: expected ≥ 5 of each")
    data = (np.log(n), np.log(d), np.log(loss), delta)
    with threadpool_limits(1):  # on five numbers, BLAS's threads only wait for each other
        found = [_descend(start, data) for start in (starts or default_starts())]
    best = min(found, key=lambda r: r.fun)
    e, big_a, a, big_b, b = best.x
    law = Law(
        E=float(np.exp(e)), A=float(np.exp(big_a)), a=float(a), B=float(np.exp(big_b)), b=float(b)
    )
    return Fit(law=law, objective=float(best.fun), residuals=np.log(law.loss(n, d) / loss))


def _descend(start: tuple[float, ...], data: tuple):
    # The objective is of order 1e-5: scaled up, or L-BFGS's default tolerances stop it too soon.
    def scaled(theta: Array) -> tuple[float, Array]:
        value, slope = objective(theta, *data)
        return value * 1e4, slope * 1e4

    options = {"maxiter": 500, "maxfun": 1000, "ftol": 1e-9, "gtol": 1e-8}
    found = minimize(scaled, start, jac=True, method="L-BFGS-B", bounds=BOUNDS, options=options)
    found.fun /= 1e4
    return found


def theta(law: Law) -> tuple[float, ...]:
    """The fit's own coordinates of a law: (log E, log A, a, log B, b)."""
    return (np.log(law.E), np.log(law.A), law.a, np.log(law.B), law.b)


def bootstrap(
    n: Float[Array, " runs"],
    d: Float[Array, " runs"],
    loss: Float[Array, " runs"],
    *,
    repeats: int = 60,
    seed: int = 0,
) -> list[Law]:
    """Laws fitted to ``repeats`` resamples of the runs, drawn with replacement.

    Each refit starts from the full fit and from one point of the grid. Source: Efron 1979.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats}: expected at least 1")
    n, d, loss = above_zero(N=n, D=d, L=loss)
    starts = _restarts(n, d, loss)
    random = np.random.default_rng(seed)
    laws = []
    for _ in range(repeats):
        pick = random.integers(0, len(n), len(n))
        laws.append(fit_law(n[pick], d[pick], loss[pick], starts=starts).law)
    return laws


def leave_one_out(
    n: Float[Array, " runs"], d: Float[Array, " runs"], loss: Float[Array, " runs"]
) -> list[Law]:
    """Laws fitted to all runs but one, one law a run: how much hangs on a single run."""
    n, d, loss = above_zero(N=n, D=d, L=loss)
    starts = _restarts(n, d, loss)
    keep = ~np.eye(len(n), dtype=bool)
    return [fit_law(n[k], d[k], loss[k], starts=starts).law for k in keep]


def _restarts(n: Array, d: Array, loss: Array) -> list[tuple[float, ...]]:
    return [theta(fit_law(n, d, loss).law), default_starts()[5]]


def interval(laws: list[Law], share: float = 0.9) -> dict[str, tuple[float, float]]:
    """The middle ``share`` of each parameter over the laws (a percentile interval)."""
    if not 0 < share < 1:
        raise ValueError(f"share={share}: expected a number between 0 and 1")
    if not laws:
        raise ValueError("laws is empty: expected at least one")
    values = np.array([astuple(law) for law in laws])
    low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2], axis=0)
    names = ("E", "A", "a", "B", "b")
    return {k: (float(x), float(y)) for k, x, y in zip(names, low, high, strict=True)}
