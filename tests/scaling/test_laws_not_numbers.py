"""NaN is neither above nor below 0: every guard of the chapter must refuse it by name."""

import math

import numpy as np
import pytest

from course_lib.data.mixing.weights import temperature_weights
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.scaling import flops
from course_lib.scaling.fits import isoflop, parabola, power_law, resampled
from course_lib.scaling.laws.fit import Law, bootstrap, fit_law, interval, leave_one_out
from course_lib.scaling.planning import cost, lifetime, plan

LAW = Law(E=1.7, A=400.0, a=0.34, B=410.0, b=0.28)
N, D = np.geomspace(1e6, 1e9, 8), np.geomspace(1e8, 1e10, 8)[::-1]
LOSS = LAW.loss(N, D)
BAD = [math.nan, math.inf, 0.0, -1.0]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("column", ["N", "D", "L"])
@pytest.mark.parametrize("fit", [fit_law, bootstrap, leave_one_out])
def test_a_run_that_diverged_is_no_run(fit, column, bad):
    columns = {"N": N.copy(), "D": D.copy(), "L": LOSS.copy()}
    columns[column][3] = bad
    with pytest.raises(ValueError, match=rf"{column}\[3\] = .*above 0"):
        fit(*columns.values())


@pytest.mark.parametrize("bad", BAD)
def test_lines_and_parabolas_refuse_it_too(bad):
    for fit in (power_law, parabola):
        for place in (0, 1):
            columns = [N[:4].copy(), np.array([3.0, 2.0, 1.9, 2.5])]
            columns[place][2] = bad
            with pytest.raises(ValueError, match=r"\[2\] = "):
                fit(*columns)
    with pytest.raises(ValueError, match=r"loss\[0\]"):
        isoflop(N, 6 * N * D, np.full(8, bad), np.array([1e18]))


@pytest.mark.parametrize("bad", [math.nan, -1.0])
@pytest.mark.parametrize(
    "call",
    [
        lambda bad: plan.compute_optimal(LAW, bad),
        lambda bad: flops.six_nd(bad, 1e9),
        lambda bad: flops.six_nd(1e9, bad),
        lambda bad: lifetime.effective(bad, 1.0, 15.0),
        lambda bad: lifetime.effective(1e9, bad, 15.0),
        lambda bad: cost.implied_utilisation(1e20, plan.HARDWARE["H100"], bad),
        lambda bad: temperature_weights({"a": 1.0, "b": bad}, 1.0),
        lambda bad: temperature_weights({"a": 1.0, "b": 2.0}, bad),
        lambda bad: AdamW([{"params": [], "lr": bad}]),
        lambda bad: AdamW([], lr=bad),
    ],
)
def test_planning_refuses_it(call, bad):
    with pytest.raises(ValueError, match=str(bad)):
        call(bad)


@pytest.mark.parametrize("field", ["E", "A", "a", "B", "b"])
def test_a_law_is_five_numbers(field):
    with pytest.raises(ValueError, match="five finite numbers"):
        Law(**{"E": 1.0, "A": 1.0, "a": 1.0, "B": 1.0, "b": 1.0, field: math.nan})


def test_nothing_to_resample():
    with pytest.raises(ValueError, match="repeats=0"):
        resampled(lambda picked: 1.0, 5, repeats=0)
    with pytest.raises(ValueError, match="repeats=0"):
        bootstrap(N, D, LOSS, repeats=0)
    with pytest.raises(ValueError, match="laws is empty"):
        interval([])
