"""How sure is a difference of pairs, when several were looked at, and where is the best rate?

What the studies that compare choices share: runs are paired by seed, and a study asks several
questions at once. The seed that chose the rates is not among those that are judged.
"""

import math
import statistics
from collections.abc import Callable, Sequence

# Student's t by degrees of freedom, two-sided
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}


def mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half of its 95 % interval, t s / sqrt(n). Good for one look, not for many."""
    n = len(values)
    if n - 1 not in T_95:
        raise ValueError(f"{n} values: an interval needs 2 to {len(T_95) + 1}")
    return statistics.mean(values), T_95[n - 1] * statistics.stdev(values) / n**0.5


def p_value(values: Sequence[float]) -> float:
    """Two-sided p of Student's t-test that the mean is 0.

    With f degrees of freedom and a = atan(t / sqrt(f)), P(|T| < t) has a closed form: Abramowitz
    and Stegun 1964, 26.7.3 (f odd) and 26.7.4 (f even).
    """
    n = len(values)
    if n < 2 or not all(map(math.isfinite, values)):
        raise ValueError(f"a test needs 2 finite values at least, not {list(values)}")
    spread = statistics.stdev(values)
    if spread == 0:
        return 1.0 if statistics.mean(values) == 0 else 0.0
    f, t = n - 1, abs(statistics.mean(values)) / (spread / n**0.5)
    a = math.atan(t / f**0.5)
    term = total = math.cos(a) if f % 2 else 1.0
    for k in range(3 if f % 2 else 2, f - 1, 2):
        term *= math.cos(a) ** 2 * ((k - 1) / k)
        total += term
    if f == 1:
        total = 0.0
    inside = 2 / math.pi * (a + math.sin(a) * total) if f % 2 else math.sin(a) * total
    return max(0.0, 1 - inside)


def holm(p_values: Sequence[float]) -> list[float]:
    """p adjusted for the number of looks: the k-th smallest of m times m - k + 1, never falling.

    Those below 0.05 hold together with an error rate of 5 %. Holm 1979, "A simple sequentially
    rejective multiple test procedure".
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def best_inside(
    loss_at: Callable[[float], float], rates: Sequence[float], factor: float = 2.0, most: int = 4
) -> float:
    """The rate of least loss; while it lies at the grid's edge, the grid goes on beyond it.

    Raises ValueError where the best is still at the edge after `most` further rates.
    """
    tried = {rate: loss_at(rate) for rate in sorted(rates)}
    for _ in range(most + 1):
        best = min(tried, key=lambda rate: tried[rate])
        if min(tried) < best < max(tried):
            return best
        beyond = best / factor if best == min(tried) else best * factor
        tried[beyond] = loss_at(beyond)
    raise ValueError(f"the best rate is still at the edge of {sorted(tried)}: widen the grid")
