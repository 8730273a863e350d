"""From FLOPs to days and money, and the forecast of a run before it starts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from course_lib.scaling.laws.fit import fit_law, theta
from course_lib.scaling.planning.plan import SECONDS_A_DAY, Hardware

# A dated default, for lack of yours: DeepSeek-V3's report reckons with 2 dollars an H800-hour
# (DeepSeek-AI, December 2024, section 1). Rents differ severalfold and change monthly.
DOLLARS_A_DEVICE_HOUR = 2.0


@dataclass(frozen=True, kw_only=True)
class Bill:
    """A run on named hardware: hours of one device, days on all of them, dollars."""

    device_hours: float
    days: float
    dollars: float


def bill(
    flops: float,
    hardware: Hardware,
    *,
    devices: int,
    utilisation: float = 0.4,
    dollars_an_hour: float = DOLLARS_A_DEVICE_HOUR,
) -> Bill:
    """What ``flops`` take on ``devices`` of ``hardware`` at a ``utilisation`` of their peak.

    Restarts, evaluation and idle nodes are not in it: see `implied_utilisation`.
    """
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation={utilisation}: expected a share above 0 and at most 1")
    if not (devices >= 1 and flops > 0 and dollars_an_hour >= 0):
        raise ValueError(
            f"flops={flops}, devices={devices}, dollars_an_hour={dollars_an_hour}: expected flops "
            "above 0, at least one device and no negative price"
        )
    hours = flops / (hardware.peak * utilisation) / 3600
    return Bill(
        device_hours=hours,
        days=hours * 3600 / SECONDS_A_DAY / devices,
        dollars=hours * dollars_an_hour,
    )


def implied_utilisation(flops: float, hardware: Hardware, device_hours: float) -> float:
    """The share of the peak that a finished run has had, all its interruptions included."""
    if not device_hours > 0:
        raise ValueError(f"device_hours={device_hours}: expected above 0")
    return flops / (hardware.peak * device_hours * 3600)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A loss said before the run: the law's value, and the interval it should fall in."""

    loss: float
    low: float
    high: float
    share: float

    def holds(self, measured: float) -> bool:
        """Whether the run came out inside."""
        return bool(self.low <= measured <= self.high)


def forecast(
    n: Float[np.ndarray, " runs"],
    d: Float[np.ndarray, " runs"],
    loss: Float[np.ndarray, " runs"],
    *,
    size: float,
    tokens: float,
    share: float = 0.9,
    repeats: int = 60,
    seed: int = 0,
) -> Forecast:
    """The loss of a run of ``size`` parameters on ``tokens`` tokens, from finished smaller runs.

    Two doubts are added up by drawing from both. Which law it is: the fitted losses get residuals
    drawn at random and are fitted again (a grid is designed, so its runs stay and their errors are
    resampled; Efron 1979, section 7). And how far one run lies from its law: a residual more.
    Neither knows about a curve that bends beyond the runs: a lower bound of the doubt.
    """
    if not 0 < share < 1:
        raise ValueError(f"share={share}: expected a number between 0 and 1")
    fit = fit_law(n, d, loss)
    random = np.random.default_rng(seed)
    # Five numbers were fitted, so the residuals are too small by √(1 - 5/runs).
    errors = -fit.residuals / np.sqrt(max(1 - 5 / len(loss), 0.1))
    starts, drawn = [theta(fit.law)], []
    for _ in range(repeats):
        again = fit.law.loss(n, d) * np.exp(random.choice(errors, len(loss)))
        law = fit_law(n, d, again, starts=starts).law
        drawn.append(float(law.loss(size, tokens)) * np.exp(random.choice(errors, 20)))
    low, high = np.quantile(drawn, [(1 - share) / 2, (1 + share) / 2])
    centre = float(fit.law.loss(size, tokens))
    return Forecast(loss=centre, low=float(low), high=float(high), share=share)
