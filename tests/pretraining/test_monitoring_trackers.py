"""Each tracker is tested by reading back what it wrote."""

import json
import math
import os
import subprocess
import sys

import pytest

from course_lib.pretraining.monitoring.trackers import (
    JSONL,
    Many,
    TensorBoard,
    WandB,
    read_jsonl,
    read_tensorboard,
    read_trackio,
    read_wandb,
)

CURVES = {
    "loss": [(1, 6.5), (2, 4.25), (10, 1.125)],
    "blocks.0.mlp.down/grad_norm": [(1, 0.5), (10, 0.0625)],
}


def write(tracker) -> None:
    for step in (1, 2, 10):
        values = {name: dict(points).get(step) for name, points in CURVES.items()}
        tracker.log(step, {name: v for name, v in values.items() if v is not None})
    tracker.close()


def test_jsonl(tmp_path):
    write(JSONL(tmp_path / "run" / "log.jsonl"))
    assert read_jsonl(tmp_path / "run" / "log.jsonl") == CURVES


def test_jsonl_keeps_what_is_not_finite_as_json_and_a_repeated_step_once(tmp_path):
    tracker = JSONL(tmp_path / "log.jsonl")
    tracker.log(3, {"loss": 1.0})
    tracker.log(3, {"loss": 2.0})
    tracker.log(4, {"loss": math.inf})
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    series = read_jsonl(tmp_path / "log.jsonl")["loss"]
    assert series[0] == (3, 2.0)
    assert series[1][0] == 4 and math.isnan(series[1][1])


def test_tensorboard(tmp_path):
    write(TensorBoard(tmp_path))
    assert read_tensorboard(tmp_path) == CURVES


def test_wandb_offline(tmp_path):
    write(WandB(tmp_path, "course", "first"))
    assert read_wandb(tmp_path) == CURVES


def test_wandb_reads_records_that_span_blocks(tmp_path):
    tracker = WandB(tmp_path, "course", "long")
    names = [f"layer.{i}/{'x' * 40}" for i in range(900)]  # one record is longer than a block
    for step in range(3):
        tracker.log(step, {name: float(step + i) for i, name in enumerate(names)})
    tracker.close()
    series = read_wandb(tmp_path)
    assert set(series) == set(names)
    assert series[names[7]] == [(0, 7.0), (1, 8.0), (2, 9.0)]


def test_wandb_without_a_run(tmp_path):
    with pytest.raises(ValueError, match="no .wandb file"):
        read_wandb(tmp_path)


TRACKIO = """
import sys
from course_lib.pretraining.monitoring.trackers import Trackio
tracker = Trackio(sys.argv[1], "course", "first")
for step, values in ((1, {"loss": 6.5, "blocks.0.mlp.down/grad_norm": 0.5}), (2, {"loss": 4.25}),
                     (10, {"loss": 1.125, "blocks.0.mlp.down/grad_norm": 0.0625})):
    tracker.log(step, values)
tracker.close()
try:
    Trackio(sys.argv[1] + "/other", "course", "second")
except ValueError as error:
    assert "trackio was imported with TRACKIO_DIR" in str(error), error
else:
    raise SystemExit("another folder was accepted")
"""


def test_trackio(tmp_path):
    """In a process of its own, since trackio takes its folder from the first import."""
    command = [sys.executable, "-c", TRACKIO, str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "TRACKIO_DIR": ""}, capture_output=True)
    assert read_trackio(tmp_path, "course", "first") == CURVES
    with pytest.raises(ValueError, match="no run of that name"):
        read_trackio(tmp_path, "course", "second")


def test_many_hands_on_to_all(tmp_path):
    write(Many(JSONL(tmp_path / "a.jsonl"), JSONL(tmp_path / "b.jsonl")))
    assert read_jsonl(tmp_path / "a.jsonl") == read_jsonl(tmp_path / "b.jsonl") == CURVES
