"""More learning-rate schedules, as multipliers of the peak rate; ``schedule`` has WSD and cosine.

All take ``progress``, the share of the run that is done, and ``warmup``, a share too.
"""

import math

from course_lib.pretraining.schedule import wsd


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
    if progress < 0:
        raise ValueError(f"progress={progress}: expected at least 0")
    return progress / warmup if progress < warmup else math.sqrt(warmup / progress)


def wsd_sqrt(
    progress: float, *, warmup: float = 0.05, decay: float = 0.2, floor: float = 0.0
) -> float:
    """Warm-up, stable, and a cool-down by 1 - sqrt(share of the cool-down that is done).

    It falls faster at first than the straight line of ``schedule.wsd``. Source: Haegele et al.
    2024, equation 2 ("1-sqrt").
    """
    straight = wsd(progress, warmup=warmup, decay=decay, floor=0.0)
    if progress < 1 - decay or not decay:
        return straight
    return floor + (1 - floor) * (1 - math.sqrt(1 - straight))
