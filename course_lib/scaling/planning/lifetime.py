"""What a model costs over its life: training once, serving for years. And data that run out.

The compute-optimal split asks only what training costs. Each served token costs 2N more, so a
model that many people use should be smaller, and trained for longer than is best for training
alone. And where text runs out, tokens are seen again, and a token seen again teaches less.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from scipy.optimize import minimize_scalar

from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.plan import Split, compute_optimal

R_TOKENS = 15.387756  # R*_D: Muennighoff et al. 2023, appendix A
R_PARAMETERS = 5.309743  # R*_N: the same


def tokens_for(law: Law, n: float, loss: float) -> float:
    """The tokens that bring a model of ``n`` parameters to ``loss``; infinite where none do.

    B / D^b = L - E - A / N^a, solved for D.
    """
    gap = loss - law.E - law.A * n**-law.a
    return math.inf if gap <= 0 else (law.B / gap) ** (1 / law.b)


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """A model of a given quality: parameters, training tokens, and FLOPs of its two lives."""

    n: float
    d: float
    training: float
    serving: float

    @property
    def total(self) -> float:
        """FLOPs of both."""
        return self.training + self.serving

    @property
    def tokens_per_parameter(self) -> float:
        """D / N."""
        return self.d / self.n


def lifetime(law: Law, n: float, loss: float, served: float) -> Lifetime:
    """A model of ``n`` parameters, trained to ``loss``, that then serves ``served`` tokens.

    6ND to train, and 2N for each served token, prompt or answer. Source: Sardana et al. 2024,
    equation 3.
    """
    if not (n > 0 and served >= 0):
        raise ValueError(f"n={n}, served={served}: expected n above 0 and served at least 0")
    d = tokens_for(law, n, loss)
    return Lifetime(n=n, d=d, training=6 * n * d, serving=2 * n * served)


def serving_optimal(law: Law, loss: float, served: float) -> Lifetime:
    """The model of a given loss whose training and serving together cost least.

    No closed form: the slope of the sum against log N is found zero by a bounded search between
    the smallest model that can reach the loss at all and the one best for training alone. Source:
    Sardana et al. 2024, section 3, who solve it by Newton's method.
    """
    if loss <= law.E:
        raise ValueError(f"loss={loss}: expected above the law's irreducible {law.E}")
    top = training_optimal(law, loss).n
    bottom = (law.A / (loss - law.E)) ** (1 / law.a)  # with endless data, this size just gets there

    def log_total(log_n: float) -> float:
        return math.log(lifetime(law, math.exp(log_n), loss, served).total)

    low, high = math.log(bottom) + 1e-9, math.log(top)
    found = minimize_scalar(
        log_total, bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    return lifetime(law, math.exp(found.x), loss, served)


def training_optimal(law: Law, loss: float) -> Split:
    """The cheapest N and D to train to ``loss``.

    At the optimum a A / N^a = b B / D^b, so the gap L - E splits into A / N^a = (L - E) b / (a + b)
    and B / D^b = (L - E) a / (a + b). Source: Hoffmann et al. 2022, equation 4, solved for L.
    """
    if loss <= law.E:
        raise ValueError(f"loss={loss}: expected above the law's irreducible {law.E}")
    gap, total = loss - law.E, law.a + law.b
    n = (law.A * total / (gap * law.b)) ** (1 / law.a)
    return Split(n, (law.B * total / (gap * law.a)) ** (1 / law.b))


def muennighoff_2023() -> Law:
    """The law fitted on C4, with both exponents tied: Muennighoff et al. 2023, appendix B."""
    power = 0.3526596
    return Law(E=math.exp(0.6254804), A=math.exp(6.255414), a=power, B=math.exp(7.3049974), b=power)


def effective(unique: float, repeats: float, decay: float) -> float:
    """U + U R* (1 - exp(-R / R*)): what ``unique`` things are worth when each is met 1 + R times.

    For R far below R* it is U (1 + R), all as good as new; it never exceeds U (1 + R*). The same
    form serves tokens and parameters. Source: Muennighoff et al. 2023, equations 5 and 6.
    """
    if not (unique > 0 and repeats >= 0):
        raise ValueError(f"unique={unique}, repeats={repeats}: expected above 0 and at least 0")
    return unique * (1 + decay * -math.expm1(-repeats / decay))


class Repeated(NamedTuple):
    """A run on limited data: parameters, tokens, passes over the data, predicted loss."""

    n: float
    d: float
    epochs: float
    loss: float


def repeated_run(law: Law, n: float, d: float, unique: float) -> Repeated:
    """The loss of ``n`` parameters and ``d`` tokens, of which ``unique`` are different.

    Tokens beyond the unique ones decay in worth, and so do parameters beyond U_N, the number for
    which the unique tokens would be the compute-optimal data. Source: Muennighoff et al. 2023,
    equation 4 and appendix A. It can't rise: where real runs overfit, it only flattens.
    """
    if not (n > 0 and d > 0 and unique > 0):
        raise ValueError(f"n={n}, d={d}, unique={unique}: expected all above 0")
    fresh = min(unique, d)
    base = min(_parameters_for(law, fresh), n)
    tokens = effective(fresh, d / fresh - 1, R_TOKENS)
    size = effective(base, n / base - 1, R_PARAMETERS)
    return Repeated(n, d, d / fresh, float(law.loss(size, tokens)))


def data_limited(law: Law, flops: float, unique: float) -> Repeated:
    """The best N and D for a budget when only ``unique`` tokens exist.

    Without the limit it is `compute_optimal`. With it, a bounded search over log N.
    """
    free = compute_optimal(law, flops)
    if free.d <= unique:
        return repeated_run(law, free.n, free.d, unique)

    def loss_at(log_n: float) -> float:
        n = math.exp(log_n)
        return repeated_run(law, n, flops / 6 / n, unique).loss

    bounds = (math.log(free.n) - 6, math.log(free.n) + 6)
    found = minimize_scalar(loss_at, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    n = math.exp(found.x)
    return repeated_run(law, n, flops / 6 / n, unique)


def _parameters_for(law: Law, d: float) -> float:
    """The N for which ``d`` tokens are compute-optimal: a A / N^a = b B / d^b."""
    return (law.a * law.A / (law.b * law.B) * d**law.b) ** (1 / law.a)
