"""The recorded grids are whole, and say what their pages say of them."""

import numpy as np
import pytest

from course_lib import experiments


@pytest.mark.parametrize("name", ["scaling/grid", "scaling/world", "scaling/proxies"])
def test_no_loss_is_below_the_entropy(name):
    data = experiments.result(name)["data"]
    floor = data.get("entropy", data.get("floor", 0.58))
    losses = [run[k] for run in data["runs"] for k in ("loss", "full", "half") if k in run]
    assert len(losses) >= 20 and min(losses) > floor


def test_every_regime_and_size_is_there():
    record = experiments.result("scaling/grid")
    for regime, fewest in (("plain", 30), ("warm-up", 30), ("repeated", 18)):
        runs = [run for run in record["data"]["runs"] if run["regime"] == regime]
        assert len(runs) >= fewest and len({(r["width"], r["budget"]) for r in runs}) == len(runs)


def test_more_of_both_is_better_on_fresh_data():
    runs = [r for r in experiments.result("scaling/grid")["data"]["runs"] if r["regime"] == "plain"]
    for width in {run["width"] for run in runs}:
        own = sorted((run["d"], run["loss"]) for run in runs if run["width"] == width)
        assert all(np.diff([loss for _, loss in own]) < 0)
