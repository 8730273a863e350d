"""Learning-rate schedules, as multipliers of the peak rate.

All take ``progress``, the share of the run that is done, and ``warmup``, a share too. Short runs
count their warm-up in steps instead: ``warm_up`` and ``cool_down`` are the two ends of such a run,
for the caller to join by a product or a minimum.
"""

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


def linear(progress: float, *, warmup: float = 0.05, floor: float = 0.0) -> float:
    """Linear warm-up, then a straight line down to ``floor`` at the end: WSD without a plateau.

    Source: Devlin et al. 2019, appendix A.2 (BERT).
    """
    return wsd(progress, warmup=warmup, decay=1 - warmup, floor=floor)


def inverse_sqrt(progress: float, *, warmup: float = 0.05) -> float:
    """Linear warm-up, then sqrt(warmup / progress): it never ends, so the length may be open.

    Source: Vaswani et al. 2017, equation 3, whose constant is d_model^-0.5; here the peak is 1.
    """
    if not 0 < warmup <= 1:
        raise ValueError(f"warmup={warmup}: expected a share above 0, the curve starts from it")
    if not progress >= 0:
        raise ValueError(f"progress={progress}: expected at least 0")
    return progress / warmup if progress < warmup else math.sqrt(warmup / progress)


def wsd_sqrt(
    progress: float, *, warmup: float = 0.05, decay: float = 0.2, floor: float = 0.0
) -> float:
    """Warm-up, stable, and a cool-down by 1 - sqrt(share of the cool-down that is done).

    It falls faster at first than the straight line of ``wsd``. Source: Haegele et al.
    2024, equation 2 ("1-sqrt").
    """
    straight = wsd(progress, warmup=warmup, decay=decay, floor=0.0)
    if progress < 1 - decay or not decay:
        return straight
    done = max(0.0, 1 - straight)  # rounding can make the straight line a hair more than 1
    return floor + (1 - floor) * (1 - math.sqrt(done))


def warm_up(step: int, steps: int) -> float:
    """Rise linearly over the first ``steps`` steps, then stay at 1. ``step`` counts from 0."""
    if step < 0 or steps < 1:
        raise ValueError(f"step={step}, steps={steps}: expected at least 0 and at least 1")
    return min(1.0, (step + 1) / steps)


def cool_down(progress: float, decay: float = 1.0) -> float:
    """Stay at 1, then fall linearly to 0 over the last ``decay`` of the run."""
    _check(progress, 0.0, decay)
    return min(1.0, (1 - progress) / decay) if decay else 1.0


def _check(progress: float, warmup: float, decay: float) -> None:
    if not 0 <= progress <= 1:
        raise ValueError(f"progress={progress}: expected a share of the run, 0 to 1")
    if not (warmup >= 0 and decay >= 0 and warmup + decay <= 1):
        raise ValueError(f"warmup={warmup}, decay={decay}: expected shares whose sum is at most 1")
