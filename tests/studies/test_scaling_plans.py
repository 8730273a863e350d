"""The recorded grids' plans: who reaches which budget, and one tiny run of each regime."""

from dataclasses import replace

import pytest

from course_lib.architecture.accounting.formulas import training_flops
from course_lib.studies.scaling.grid import REGIMES, GridConfig, batches, run_size
from course_lib.studies.scaling.proxies import RECIPES
from course_lib.studies.scaling.world import WorldGridConfig


def test_runs_of_a_budget_spend_it():
    config = GridConfig()
    for width in config.widths:
        one = training_flops(config.model(width), config.batch_size * config.seq, config.seq)
        for budget, steps in config.steps(width).items():
            assert steps * one == pytest.approx(budget, rel=0.01)
            assert config.fewest_steps <= steps <= config.most_steps
    reached = [sum(b in config.steps(w) for w in config.widths) for b in config.budgets]
    assert min(reached) >= 5


def test_repeated_data_comes_again_in_another_order():
    config = replace(GridConfig(), pool_steps=3, batch_size=2, budgets=(1e9,), fewest_steps=1)
    batch_at, _ = batches(config, "repeated")
    passes = [
        sorted(row.tolist() for step in range(k, k + 3) for row in batch_at(step)[0])
        for k in (0, 3)
    ]
    assert passes[0] == passes[1]
    assert any((batch_at(i)[0] != batch_at(i + 3)[0]).any() for i in range(3))


@pytest.mark.parametrize("regime", REGIMES)
def test_a_tiny_run(regime):
    config = GridConfig(
        names=6,
        attributes=4,
        values=3,
        widths=(8,),
        budgets=(3e6, 1e7),
        batch_size=8,
        seq=12,
        fewest_steps=3,
        eval_rows=60,
        pool_steps=4,
        long_warmup_steps=30,
    )
    short, long = run_size(config, regime, 8)
    assert long["loss"] < short["loss"] and long["n"] > long["n_body"] > 0
    assert (long["undecayed"] is None) == (regime == "repeated")


def test_recipes_differ_in_one_thing_and_the_grid_in_size():
    plain, *others = RECIPES
    for recipe in others:
        changed = [k for k in vars(plain) if k != "name" and vars(recipe)[k] != vars(plain)[k]]
        assert len(changed) == 1
    config = WorldGridConfig()
    rates = [config.branches(size[0]).lr for size in config.sizes]
    assert rates == sorted(rates, reverse=True)
