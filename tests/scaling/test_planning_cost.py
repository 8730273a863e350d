"""Bills by hand, and forecasts that cover what they should."""

import numpy as np
import pytest

from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.cost import bill, forecast, implied_utilisation
from course_lib.scaling.planning.plan import HARDWARE

H100 = HARDWARE["H100"]
TRUTH = Law(E=1.5, A=40.0, a=0.5, B=600.0, b=0.5)


def test_a_bill_by_hand():
    # 989e12 * 0.5 FLOPs a second for an hour on each of 24 devices: 24 hours, 1/24 day.
    made = bill(989e12 * 0.5 * 3600 * 24, H100, devices=24, utilisation=0.5, dollars_an_hour=3.0)
    assert made.device_hours == pytest.approx(24) and made.days == pytest.approx(1 / 24)
    assert made.dollars == pytest.approx(72)


def test_the_utilisation_of_a_published_run():
    # Llama 3.1 405B: 3.8e25 FLOPs in 30.84 million H100-hours (its model card): about 35 %.
    assert implied_utilisation(3.8e25, H100, 30.84e6) == pytest.approx(0.346, abs=0.002)
    hours = bill(3.8e25, H100, devices=16_384, utilisation=0.346).device_hours
    assert hours == pytest.approx(30.84e6, rel=0.002)


def runs(noise, seed):
    random = np.random.default_rng(seed)
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(1e3, 2e4, 4), np.geomspace(1e5, 6e5, 4)))
    return n, d, TRUTH.loss(n, d) * np.exp(noise * random.standard_normal(n.size))


def test_without_noise_the_forecast_is_the_law():
    said = forecast(*runs(0.0, 0), size=4e4, tokens=1.2e6, repeats=8)
    want = float(TRUTH.loss(4e4, 1.2e6))
    assert said.loss == pytest.approx(want, rel=2e-3) and said.high - said.low < 0.02


def test_the_interval_covers_most_runs_and_widens_with_noise():
    want, hits, widths = float(TRUTH.loss(4e4, 1.2e6)), 0, []
    for seed in range(10):
        said = forecast(*runs(0.01, seed), size=4e4, tokens=1.2e6, repeats=12, seed=seed)
        real = want * np.exp(0.01 * np.random.default_rng(100 + seed).standard_normal())
        hits += said.holds(real)
        widths.append(said.high - said.low)
    assert hits >= 7
    assert np.mean(widths) < 0.5
    assert not said.holds(said.high + 1)


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match=r"utilisation=0\.0"):
        bill(1.0, H100, devices=1, utilisation=0.0)
    with pytest.raises(ValueError, match="devices=0"):
        bill(1.0, H100, devices=0)
    with pytest.raises(ValueError, match="device_hours=0"):
        implied_utilisation(1.0, H100, 0.0)
    with pytest.raises(ValueError, match=r"share=1\.0"):
        forecast(*runs(0.0, 0), size=1.0, tokens=1.0, share=1.0)
