"""Why leaving the embeddings out of N and C makes models seem to want to grow faster.

Take a law in total parameters as the truth, and ask what somebody would find who counts
non-embedding parameters n alone, in N and in C = 6 n D. Width and depth grow together, so the
embedding grows as the width, as n^(1/3): N = n + ω n^(1/3). In small models it is most of N.
Source: Pearce & Song 2024; ω = 47,491 is their fit to the models of Hoffmann et al. 2022.
"""

import numpy as np
from jaxtyping import Float

from course_lib.scaling.laws.fit import Law

Array = np.ndarray
Numbers = Float[Array, "..."] | float  # a number, or an array of them
OMEGA = 47_491.0  # a vocabulary of 32,000, and widths about 39 times the layers


def total(n: Numbers, omega: int | float = OMEGA) -> Numbers:
    """N = n + ω n^(1/3): all parameters from the non-embedding ones."""
    n = np.asarray(n, float)
    if not (np.all(n > 0) and omega >= 0):
        raise ValueError(f"n={n}, omega={omega}: expected n above 0 and omega at least 0")
    return n + omega * n ** (1 / 3)


def growth(n: Numbers, omega: int | float = OMEGA) -> Numbers:
    """s = d log N / d log n: 1/3 where the embedding is nearly all, 1 where it is nothing."""
    n = np.asarray(n, float)
    return (n + omega / 3 * n ** (1 / 3)) / total(n, omega)


def optimal_tokens(law: Law, n: Numbers, omega: int | float = OMEGA) -> Numbers:
    """The D for which n is the best choice on a budget C = 6 n D.

    Along 6 n D = C a step up in log n is one down in log D, so at the optimum
    a A N^-a · s = b B D^-b.
    """
    pull = law.a * law.A * total(n, omega) ** -law.a * growth(n, omega)
    return (law.b * law.B / pull) ** (1 / law.b)


def local_exponent(law: Law, n: Numbers, omega: int | float = OMEGA) -> Numbers:
    """g = d log n_opt / d log C, at the budget whose best choice is n.

    log C = log n + (a log N - log s) / b + const, so 1/g = 1 + (a s - d log s / d log n) / b.
    From b / (a/3 + b) for small models it falls, at last, to b / (a + b).
    """
    n = np.asarray(n, float)
    s, small = growth(n, omega), omega * n ** (1 / 3)
    bend = (n + small / 9) / (n + small / 3) - s  # d log s / d log n
    return 1 / (1 + (law.a * s - bend) / law.b)


def seen_exponent(
    law: Law,
    smallest: int | float,
    largest: int | float,
    omega: int | float = OMEGA,
    points: int = 200,
) -> float:
    """The slope of one straight line through (log C, log n_opt) over a range of n."""
    if not 0 < smallest < largest:
        raise ValueError(f"{smallest} to {largest}: expected a range that rises from above 0")
    n = np.geomspace(smallest, largest, points)
    log_c = np.log(6 * n * optimal_tokens(law, n, omega))
    return float(np.polyfit(log_c, np.log(n), 1)[0])
