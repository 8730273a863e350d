"""Sweeps: many short runs to choose a setting, by Optuna; pruned, and resumable from a file.

The study is a file that every trial appends to. A sweep that was killed goes on with the very
settings that it would have tried: the sampler of trial n is seeded by n, so it depends on what has
been finished and on nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

Settings = dict[str, float]
Report = Callable[[int, float], None]
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers to choose from: even over [low, high], or over its logarithm with ``log``."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        if self.low >= self.high:
            raise ValueError(f"low={self.low}, high={self.high}: expected low < high")
        if self.log and not self.low > 0:
            raise ValueError(f"low={self.low}: a logarithmic range starts above 0")


def sweep(
    run: Callable[[Settings, Report], float],
    space: Mapping[str, Range],
    *,
    storage: Path,
    name: str,
    trials: int,
    seed: int = 0,
    pruner: BasePruner | None = None,
) -> optuna.Study:
    """Try settings until ``trials`` of them are finished or pruned, and return the study.

    ``run(settings, report)`` trains and returns the loss to be made small. It calls ``report(step,
    loss)`` now and then, which raises ``optuna.TrialPruned`` where the trial is worse than the
    median of the earlier ones at that step; let it pass. ``storage`` is the study's file, made if
    it isn't there. A trial that died with its process is tried again.
    """
    if trials < 1:
        raise ValueError(f"trials={trials}: expected at least 1")
    storage.parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(str(storage))),
        pruner=pruner or MedianPruner(n_startup_trials=4, n_warmup_steps=0),
        load_if_exists=True,
    )
    _bury(study)
    while (number := len(study.get_trials(deepcopy=False, states=DONE))) < trials:
        study.sampler = TPESampler(seed=10_000 * seed + number, n_startup_trials=4)
        study.optimize(lambda trial: _one(trial, run, space), n_trials=1)
    return study


def _one(trial: optuna.Trial, run: Callable, space: Mapping[str, Range]) -> float:
    settings = {
        key: trial.suggest_float(key, choice.low, choice.high, log=choice.log)
        for key, choice in space.items()
    }

    def report(step: int, loss: float) -> None:
        trial.report(loss, step)
        if trial.should_prune():
            raise optuna.TrialPruned(f"step {step}: {loss:.3f} is above the median of the others")

    return run(settings, report)


def _bury(study: optuna.Study) -> None:
    """Trials that still seem to run have died with their process: mark them as failed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def curves(study: optuna.Study) -> list[dict]:
    """Every finished or pruned trial: its number, settings, reported losses, and its fate."""
    return [
        {
            "trial": trial.number,
            "settings": dict(trial.params),
            "losses": dict(sorted(trial.intermediate_values.items())),
            "pruned": trial.state == TrialState.PRUNED,
        }
        for trial in study.get_trials(deepcopy=False, states=DONE)
    ]


def wandb_sweep(space: Mapping[str, Range], *, program: str, metric: str, trials: int) -> dict:
    """The same sweep as Weights & Biases is told it, in a YAML file: ``wandb sweep sweep.yaml``.

    Their sampler and pruner are others: Bayesian search with a Gaussian process, and Hyperband.
    """
    spread = {False: "uniform", True: "log_uniform_values"}
    return {
        "program": program,
        "method": "bayes",
        "metric": {"name": metric, "goal": "minimize"},
        "run_cap": trials,
        "early_terminate": {"type": "hyperband", "min_iter": 3},
        "parameters": {
            key: {"distribution": spread[choice.log], "min": choice.low, "max": choice.high}
            for key, choice in space.items()
        },
    }
