"""The page's calculator gives what the package gives, in a browser's own arithmetic."""

import json
from dataclasses import asdict

import pytest

from course_lib.page import widgets
from course_lib.scaling.planning.cost import bill
from course_lib.scaling.planning.lifetime import (
    R_PARAMETERS,
    R_TOKENS,
    data_limited,
    muennighoff_2023,
    serving_optimal,
)
from course_lib.scaling.planning.plan import (
    HARDWARE,
    batch_and_rate,
    besiroglu_2024,
    compute_optimal,
    hoffmann_2022,
)
from tests.page.test_widgets import javascript

RUNS = [
    {"flops": 1e21, "served": 1e12, "unique": 1e10, "devices": 8, "mfu": 0.4, "price": 2.0},
    {"flops": 3e24, "served": 0.0, "unique": 1e13, "devices": 4096, "mfu": 0.35, "price": 3.5},
]


def test_the_calculator_computes_what_the_package_computes():
    laws = [hoffmann_2022(), besiroglu_2024(), muennighoff_2023()]
    h100 = HARDWARE["H100"]
    asked = [[asdict(law), run | {"peak": h100.peak}] for law in laws for run in RUNS]
    stars = json.dumps({"d": R_TOKENS, "n": R_PARAMETERS})
    call = f"{json.dumps(asked)}.map(([law, run]) => w.all(law, run, {stars}))"
    got = javascript(f"((w) => {call})({widgets.script('planner')})")
    for (law, run), (best, served, limited) in zip(
        ((law, run) for law in laws for run in RUNS), got, strict=True
    ):
        want = compute_optimal(law, run["flops"])
        loss = float(law.loss(*want))
        assert (best["n"], best["d"]) == pytest.approx(tuple(want))
        life = serving_optimal(law, loss, run["served"])
        assert (served["n"], served["lifetime"]) == pytest.approx((life.n, life.total), rel=1e-3)
        few = data_limited(law, run["flops"], run["unique"])
        assert limited["loss"] == pytest.approx(few.loss, rel=1e-9)
        assert limited["n"] == pytest.approx(few.n, rel=1e-3)
        assert (best["batch"], best["lr"]) == pytest.approx(batch_and_rate(run["flops"]))
        paid = bill(
            run["flops"],
            h100,
            devices=run["devices"],
            utilisation=run["mfu"],
            dollars_an_hour=run["price"],
        )
        assert (best["hours"], best["days"], best["dollars"]) == pytest.approx(
            (paid.device_hours, paid.days, paid.dollars)
        )
