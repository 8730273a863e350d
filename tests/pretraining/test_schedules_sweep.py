"""A sweep prunes what is bad, and one that was killed goes on as if it hadn't been."""

import math

import optuna
import pytest

from course_lib.pretraining.schedules.sweep import Range, curves, sweep, wandb_sweep

SPACE = {"lr": Range(low=1e-4, high=1e-1, log=True), "warmup": Range(low=0.0, high=0.3)}


def bowl(settings, report):
    """Four readings of a loss that is least at lr = 1e-2 and warmup = 0.1."""
    loss = (math.log10(settings["lr"]) + 2) ** 2 + (settings["warmup"] - 0.1) ** 2
    for step in range(1, 5):
        report(step, loss + 1 / step)
    return loss + 1 / 4


def test_it_finds_the_bowl_and_prunes_the_rest(tmp_path):
    study = sweep(bowl, SPACE, storage=tmp_path / "s.log", name="bowl", trials=30)
    assert study.best_value < 0.35 and 3e-3 < study.best_params["lr"] < 3e-2
    found = curves(study)
    assert len(found) == 30 and sum(c["pruned"] for c in found) >= 5
    for curve in found:
        assert len(curve["losses"]) == 4 or curve["pruned"]


def test_a_killed_sweep_goes_on_with_the_same_trials(tmp_path):
    whole = sweep(bowl, SPACE, storage=tmp_path / "whole.log", name="bowl", trials=9)
    ran = []

    def killed(settings, report):
        ran.append(settings)
        if len(ran) == 6:
            raise KeyboardInterrupt
        return bowl(settings, report)

    path = tmp_path / "cut.log"
    with pytest.raises(KeyboardInterrupt):
        sweep(killed, SPACE, storage=path, name="bowl", trials=9)
    cut = sweep(bowl, SPACE, storage=path, name="bowl", trials=9)
    plain = [(c["settings"], c["losses"]) for c in curves(whole)]
    assert [(c["settings"], c["losses"]) for c in curves(cut)] == plain
    states = [trial.state for trial in cut.trials]
    assert states.count(optuna.trial.TrialState.FAIL) == 1 and len(states) == 10


def test_a_finished_sweep_runs_nothing(tmp_path):
    path = tmp_path / "s.log"
    sweep(bowl, SPACE, storage=path, name="bowl", trials=3)

    def never(settings, report):
        raise AssertionError("no trial is left to run")

    assert len(curves(sweep(never, SPACE, storage=path, name="bowl", trials=3))) == 3


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="trials=0"):
        sweep(bowl, SPACE, storage=tmp_path / "s.log", name="bowl", trials=0)
    with pytest.raises(ValueError, match="low < high"):
        Range(low=1.0, high=1.0)
    with pytest.raises(ValueError, match="starts above 0"):
        Range(low=0.0, high=1.0, log=True)


def test_the_same_sweep_for_wandb():
    config = wandb_sweep(SPACE, program="train.py", metric="loss", trials=12)
    assert config["parameters"]["lr"] == {
        "distribution": "log_uniform_values",
        "min": 1e-4,
        "max": 1e-1,
    }
    assert config["parameters"]["warmup"]["distribution"] == "uniform"
    assert config["metric"] == {"name": "loss", "goal": "minimize"}
    assert config["run_cap"] == 12
