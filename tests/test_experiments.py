"""Experiments: what a recorded result says of itself."""

import json
from dataclasses import dataclass

import pytest

from course_lib import experiments, measure, runtime


@dataclass(frozen=True)
class Sizes:
    steps: int = 3


@pytest.fixture
def clock(monkeypatch, tmp_path):
    """CPU seconds that the test sets by hand, and a checkout and home of its own."""
    now = [100.0]
    monkeypatch.setattr(measure, "cpu_seconds", lambda: now[0])
    monkeypatch.setattr(runtime, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(runtime, "repository", lambda: tmp_path)
    return now


def _register(monkeypatch, function):
    entry = experiments.Experiment(name="toy/run", config=Sizes(), run=function)
    monkeypatch.setattr(experiments.imports, "closure_hash", lambda *_, **__: "c0de")
    monkeypatch.setattr(experiments, "get", lambda name: entry)


def test_an_interrupted_run_counts_the_seconds_of_all_its_goes(monkeypatch, clock):
    def work(config, folder, progress):
        for step in range(config.steps):
            done = folder / f"{step}.done"
            if done.exists():
                continue
            clock[0] += 10
            done.touch()
            progress((step + 1) / config.steps, "a step")
            if step == 1 and not (folder / "killed").exists():
                (folder / "killed").touch()
                clock[0] += 7  # spent after the last report: nobody can know of it
                raise KeyboardInterrupt
        return {"steps": config.steps}

    _register(monkeypatch, work)
    with pytest.raises(KeyboardInterrupt):
        experiments.run("toy/run", lambda fraction, text: None)
    clock[0] = 0.0  # another process, with a clock of its own
    record = experiments.run("toy/run", lambda fraction, text: None)
    assert record["core_seconds"] == 30.0
    assert json.loads(experiments.path_of("toy/run").read_text()) == record


def test_a_result_that_was_not_recorded_names_the_command(clock):
    with pytest.raises(ValueError, match="course experiment toy/run"):
        experiments.result("toy/run")


def test_an_unknown_name_lists_the_known(clock):
    with pytest.raises(ValueError, match=r"'toy/none' is no experiment: expected one of .*ladder"):
        experiments.get("toy/none")


def test_a_unit_is_made_once_and_a_kill_leaves_no_half_of_it(clock, tmp_path, monkeypatch):
    made = []
    path = tmp_path / "unit.json"

    def make():
        made.append(1)
        clock[0] += 2.5
        return {"loss": 1.5}

    monkeypatch.setattr(
        experiments.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        experiments.once(path, make)
    assert not path.exists()
    monkeypatch.undo()
    for _ in range(2):
        assert experiments.once(path, make) == {"loss": 1.5}
    assert len(made) == 2


def test_a_unit_says_its_cost_where_asked(clock, tmp_path):
    def make():
        clock[0] += 2.5
        return {"loss": 1.5}

    found = experiments.once(tmp_path / "unit.json", make, cost=True)
    assert found == {"loss": 1.5, "core_seconds": 2.5}
