"""Does a small trial rank things as a large one does? Kendall's tau, and how sure it is."""

from itertools import combinations

import numpy as np
from jaxtyping import Float

Array = np.ndarray


def agreement(x: Float[Array, " items"], y: Float[Array, " others"]) -> tuple[int, int, int]:
    """Pairs of items in the same order by x and by y, in opposite order, and tied in either.

    Raises ValueError for fewer than two items or lists of different length.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(f"{len(x)} and {len(y)} items: expected as many of each, at least 2")
    signs = [np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in combinations(range(len(x)), 2)]
    return signs.count(1), signs.count(-1), signs.count(0)


def kendall_tau(x: Float[Array, " items"], y: Float[Array, " items"]) -> float:
    """τ = (same - opposite) / √((pairs - ties in x)(pairs - ties in y)): 1 same order, -1 reverse.

    Source: Kendall 1938; with ties the "b" version, Kendall 1945. Raises ValueError where all of a
    list are equal: there is no order to compare.
    """
    same, opposite, _ = agreement(x, y)
    pairs = len(x) * (len(x) - 1) // 2
    free = [pairs - _tied(values) for values in (x, y)]
    if min(free) == 0:
        raise ValueError("all values of a list are equal: there is no order to compare")
    return float((same - opposite) / np.sqrt(free[0] * free[1]))


def _tied(values: Float[Array, " items"]) -> int:
    return sum(int(c) * (int(c) - 1) // 2 for c in np.unique(values, return_counts=True)[1])


def tau_interval(
    x: Float[Array, " items"],
    y: Float[Array, " items"],
    *,
    share: float = 0.9,
    repeats: int = 1_000,
    seed: int = 0,
) -> tuple[float, float]:
    """The middle ``share`` of τ over items drawn again with replacement.

    An item drawn twice is tied with itself, which τ-b allows for. Resamples with fewer than three
    different items are drawn anew.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 4:
        raise ValueError(f"{len(x)} items: an interval takes at least 4")
    random, found = np.random.default_rng(seed), []
    while len(found) < repeats:
        pick = random.integers(0, len(x), len(x))
        if len(np.unique(pick)) >= 3:
            found.append(kendall_tau(x[pick], y[pick]))
    low, high = np.quantile(found, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
