"""Learning-rate schedules, as multipliers of the peak rate."""

import math


def wsd(progress: float, *, warmup: float = 0.05, decay: float = 0.3, floor: float = 0.02) -> float:
    """Warm-up, stable, decay: rise linearly, stay at 1, fall linearly to ``floor``.

    ``progress`` is the share of the run that is done, in [0, 1]; ``warmup`` and ``decay`` are
    shares too. Source: Hu et al. 2024, MiniCPM, section 4.2 (their decay is exponential).
    """
    _check(progress, warmup, decay)
    if progress < warmup:
        return progress / warmup
    if progress < 1 - decay:
        return 1.0
    return floor + (1 - floor) * (1 - progress) / decay if decay else 1.0


def cosine(progress: float, *, warmup: float = 0.05, floor: float = 0.1) -> float:
    """Linear warm-up, then half a cosine down to ``floor``. Source: Loshchilov & Hutter 2017."""
    _check(progress, warmup, 0.0)
    if progress < warmup:
        return progress / warmup
    turn = math.pi * (progress - warmup) / (1 - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(turn))


def _check(progress: float, warmup: float, decay: float) -> None:
    if not 0 <= progress <= 1:
        raise ValueError(f"progress={progress}: expected a share of the run, 0 to 1")
    if warmup < 0 or decay < 0 or warmup + decay > 1:
        raise ValueError(f"warmup={warmup}, decay={decay}: expected shares whose sum is at most 1")
