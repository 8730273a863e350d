"""The published laws of compute-optimal training, as functions of a budget.

Each says how many parameters N and tokens D a budget of C FLOPs should buy. They were fitted on
different data and count N and C differently; `Published.counts` says how. Hoffmann's approach 3
and its refit are laws of the loss as well (plan.hoffmann_2022, plan.besiroglu_2024).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.plan import Split, besiroglu_2024, compute_optimal, hoffmann_2022

PF_DAY = 1e15 * 86_400  # FLOPs of a petaflop a second, for a day: Kaplan's unit of compute


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a printed table of optimal runs: parameters, FLOPs, tokens."""

    n: float
    flops: float
    d: float


# Hoffmann et al. 2022, table 3: approach 1.
TABLE_3 = tuple(
    Row(n=n, flops=c, d=d)
    for n, c, d in (
        (4e8, 1.92e19, 8.0e9),
        (1e9, 1.21e20, 20.2e9),
        (1e10, 1.23e22, 205.1e9),
        (6.7e10, 5.76e23, 1.5e12),
        (1.75e11, 3.85e24, 3.7e12),
        (2.8e11, 9.90e24, 5.9e12),
        (5.2e11, 3.43e25, 11.0e12),
        (1e12, 1.27e26, 21.2e12),
        (1e13, 1.30e28, 216.2e12),
    )
)
# Hoffmann et al. 2022, table A3: approaches 2 and 3, as printed. See `slips`.
TABLE_A3_APPROACH_2 = tuple(
    Row(n=n, flops=c, d=d)
    for n, c, d in (
        (4e8, 1.84e19, 7.7e9),
        (1e9, 1.20e20, 20.0e9),
        (1e10, 1.32e22, 219.5e9),
        (6.7e10, 6.88e23, 1.7e12),
        (1.75e11, 4.54e24, 4.3e12),
        (2.8e11, 1.18e25, 7.1e12),
        (5.2e11, 4.19e25, 13.4e12),
        (1e12, 1.59e26, 26.5e12),
        (1e13, 1.75e28, 292.0e12),
    )
)
TABLE_A3_APPROACH_3 = tuple(
    Row(n=n, flops=c, d=d)
    for n, c, d in (
        (4e8, 2.21e19, 9.2e9),
        (1e9, 1.62e20, 27.1e9),
        (1e10, 2.46e22, 410.1e9),
        (6.7e10, 1.71e24, 4.1e12),
        (1.75e11, 1.26e24, 12.0e12),
        (2.8e11, 3.52e25, 20.1e12),
        (5.2e11, 1.36e26, 43.5e12),
        (1e12, 5.65e26, 94.1e12),
        (1e13, 8.55e28, 1425.5e12),
    )
)


def slips(rows: tuple[Row, ...], tolerance: float = 0.1) -> list[tuple[Row, float]]:
    """Rows of a printed table whose FLOPs aren't 6ND, with printed / 6ND: misprints, most likely.

    The tables round to two or three digits, so an honest row is off by a few per cent.
    """
    ratios = [(row, row.flops / (6 * row.n * row.d)) for row in rows]
    return [(row, ratio) for row, ratio in ratios if abs(ratio - 1) > tolerance]


@dataclass(frozen=True, kw_only=True)
class PowerSplit:
    """N = n_scale C^n_power; D is what is left, C / 6N."""

    n_scale: float
    n_power: float

    def __call__(self, flops: float) -> Split:
        """The N and D of a budget in FLOPs."""
        n = self.n_scale * _positive(flops) ** self.n_power
        return Split(n, flops / 6 / n)


def through(rows: tuple[Row, ...]) -> PowerSplit:
    """The power law N = k C^a through a printed table, by least squares on the logarithms.

    Hoffmann et al. print the exponents of approaches 1 and 2, not the prefactors: the tables hold
    them. Rows with a misprint are left out.
    """
    wrong = {id(row) for row, _ in slips(rows)}
    good = [row for row in rows if id(row) not in wrong]
    log_c, log_n = (np.log([getattr(row, name) for row in good]) for name in ("flops", "n"))
    power, level = np.polyfit(log_c, log_n, 1)
    return PowerSplit(n_scale=float(np.exp(level)), n_power=float(power))


def hoffmann_unrounded() -> Law:
    """Approach 3 with the digits that the paper's TeX source holds and its text rounds off.

    Source: Besiroglu et al. 2024, who report E = 1.6934, α = 0.3392, β = 0.2849; A and B as
    printed in Hoffmann et al. 2022, equation 10.
    """
    return Law(E=1.6934, A=406.4, a=0.3392, B=410.7, b=0.2849)


def kaplan_2020(flops: float) -> Split:
    """N = 1.3e9 C_min^0.73 with C_min in petaflop-days; N leaves the embeddings out.

    C_min is the compute that a tiny batch would need. At the critical batch size, where they
    advise to train, a run takes twice that: C_min = C / 2. Hoffmann et al. 2022 (section D.4) read
    the law so: 4.68e9 parameters for 1e21 FLOPs. D is what is left, C / 6N. Source: Kaplan et al.
    2020, table 6 and section 5.2.
    """
    n = 1.3e9 * (_positive(flops) / 2 / PF_DAY) ** 0.73
    return Split(n, flops / 6 / n)


def llama3_2024(flops: float, *, rounded: bool = False) -> Split:
    """D = 0.299 C^0.537 tokens; N is what is left, C / 6D.

    Source: Grattafiori et al. 2024, section 3.2.1. The text rounds to (0.29, 0.53), which loses a
    third of the tokens at their budget (``rounded=True``); figure 3 has the digits used here.
    """
    scale, power = (0.29, 0.53) if rounded else (0.299, 0.537)
    d = scale * _positive(flops) ** power
    return Split(flops / 6 / d, d)


def deepseek_2024(flops: float) -> Split:
    """M = 0.1715 C^0.5243 FLOPs a token and D = 5.8316 C^0.4757 tokens, so that C = M D.

    M counts the products of one token's training, attention's included and the embedding's not.
    N = M / 6 is therefore the size without embeddings, and too large by attention's share.
    Source: Bi et al. 2024, equation 4.
    """
    m = 0.1715 * _positive(flops) ** 0.5243
    return Split(m / 6, 5.8316 * flops**0.4757)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A law, where it stands, how it counts, and the budgets that it was fitted on.

    Kaplan et al. name no budgets: theirs are those at which the law asks for the smallest and the
    largest model they trained, 768 and 1.5e9 weights (section 2.1 and figure 1).
    """

    name: str
    split: Callable[[float], Split]
    key: str  # bib key
    where: str
    counts: str
    lowest: float  # FLOPs of the smallest and the largest runs in the fit
    highest: float


def laws() -> tuple[Published, ...]:
    """All of them, oldest first."""
    hoffmann = {
        "key": "hoffmann2022training",
        "counts": "all weights",
        "lowest": 6e18,
        "highest": 3e21,
    }
    return (
        Published(
            name="Kaplan 2020",
            split=kaplan_2020,
            key="kaplan2020scaling",
            where="table 6",
            counts="no embeddings",
            lowest=2 * PF_DAY * (768 / 1.3e9) ** (1 / 0.73),
            highest=2 * PF_DAY * (1.5e9 / 1.3e9) ** (1 / 0.73),
        ),
        Published(
            name="Hoffmann 2022, approach 1", split=through(TABLE_3), where="table 3", **hoffmann
        ),
        Published(
            name="Hoffmann 2022, approach 2",
            split=through(TABLE_A3_APPROACH_2),
            where="table A3",
            **hoffmann,
        ),
        Published(
            name="Hoffmann 2022, approach 3",
            split=lambda c: compute_optimal(hoffmann_2022(), c),
            where="equation 10",
            **hoffmann,
        ),
        Published(
            name="Besiroglu 2024",
            split=lambda c: compute_optimal(besiroglu_2024(), c),
            where="table 1",
            **hoffmann | {"key": "besiroglu2024chinchilla"},
        ),
        Published(
            name="DeepSeek LLM 2024",
            split=deepseek_2024,
            key="bi2024deepseek",
            where="equation 4",
            counts="FLOPs a token, no embeddings",
            lowest=1e17,
            highest=3e20,
        ),
        Published(
            name="Llama 3 2024",
            split=llama3_2024,
            key="grattafiori2024llama3",
            where="section 3.2.1",
            counts="all weights",
            lowest=6e18,
            highest=1e22,
        ),
    )


class Trained(NamedTuple):
    """A model that was trained: its parameters and tokens, and where they stand."""

    name: str
    n: float
    d: float
    key: str  # bib key
    where: str

    @property
    def flops(self) -> float:
        """6ND."""
        return 6 * self.n * self.d


TRAINED = (
    Trained("GPT-3", 175e9, 300e9, "hoffmann2022training", "table 1"),
    Trained("Gopher", 280e9, 300e9, "hoffmann2022training", "table 1"),
    Trained("MT-NLG", 530e9, 270e9, "hoffmann2022training", "table 1"),
    Trained("Chinchilla", 70e9, 1.4e12, "hoffmann2022training", "table 1"),
    Trained("DeepSeek LLM 67B", 67e9, 2e12, "bi2024deepseek", "abstract"),
    Trained("Llama 3 8B", 8e9, 15e12, "grattafiori2024llama3", "section 1"),
    Trained("Llama 3 405B", 405e9, 15.6e12, "grattafiori2024llama3", "section 1"),
)


def budget_for(law: Law, n: float) -> float:
    """The FLOPs at which a model of ``n`` parameters is the best that the law can name.

    Solves N(C) = n: C = 6 (n / G)^((a + b) / b). Source: Hoffmann et al. 2022, equation 4.
    """
    if not n > 0:
        raise ValueError(f"n={n}: expected parameters above 0")
    unit = compute_optimal(law, 6.0).n  # at C = 6 the power is of 1, and G is left
    return 6 * (n / unit) ** ((law.a + law.b) / law.b)


def _positive(flops: float) -> float:
    if not flops > 0:
        raise ValueError(f"flops={flops}: expected a budget above 0")
    return flops
