"""`course pretrain`: it trains, goes on, and is seven stops from the matrix product."""

import json
import sys
from pathlib import Path

import pytest
from torch.nn import functional as F
from typer.testing import CliRunner

import course_lib
from course_lib.cli.main import app
from course_lib.data.mixing.shards import write_shards

runner = CliRunner()
SHORT = ["--steps", "2", "--batch-size", "1", "--seq-len", "16"]
STOPS = [  # from the command to the product of queries and keys, which is torch's own
    ("real_run/run.py", "pretrain"),
    ("real_run/supervise.py", "run"),
    ("loop/train.py", "train"),
    ("architecture/decoder.py", "forward"),
    ("architecture/decoder.py", "forward"),
    ("blocks/layers.py", "forward"),
    ("torch", "scaled_dot_product_attention"),
]


@pytest.fixture
def pretrain(tmp_path):
    write_shards([[1, 2, 3, 4, 5]] * 30, tmp_path / "tokens", 16, 0)
    places = ["--out", str(tmp_path / "run"), "--tokens", str(tmp_path / "tokens")]
    return lambda *options: runner.invoke(app, ["pretrain", *places, *options])


def test_it_trains_in_its_folder_and_goes_on(pretrain, tmp_path):
    assert pretrain(*SHORT).exit_code == 0
    assert (tmp_path / "run" / "checkpoints" / "step-00000002" / "manifest.json").exists()
    changed = pretrain(*SHORT, "--lr", "0.5")
    assert changed.exit_code == 2
    assert "train.lr was 0.0025 and is now 0.5" in changed.stderr


def test_own_text_goes_from_files_to_a_trained_model(tmp_path):
    prose = "The clerk of the library counts the books that people borrow and return. "
    (tmp_path / "text").mkdir()
    for name in "abc":
        (tmp_path / "text" / f"{name}.txt").write_text(f"{prose * 9}{name * 40}")
    folder = str(tmp_path / "tokens")
    made = runner.invoke(
        app, ["tokens", str(tmp_path / "text"), "--out", folder, "--vocab-size", "300"]
    )
    assert made.exit_code == 0 and "documents" in made.stdout
    assert (tmp_path / "tokens" / "tokenizer.json").exists()
    run = ["pretrain", "--out", str(tmp_path / "run"), "--tokens", folder]
    assert runner.invoke(app, [*run, *SHORT]).exit_code == 0
    nothing = runner.invoke(app, ["tokens", str(tmp_path / "no"), "--out", folder])
    assert nothing.exit_code == 2 and "no such file or folder" in nothing.stderr


def test_one_dial_for_all_sizes(pretrain, tmp_path):
    assert pretrain(*SHORT, "--depth", "1").exit_code == 0
    saved = tmp_path / "run" / "checkpoints" / "step-00000002" / "state.json"
    config = json.loads(saved.read_text())["config"]
    assert (config["model.n_layers"], config["model.d_model"]) == (1, 64)
    assert config["train.lr"] == pytest.approx(6e-4 * 12**0.5)


def test_nonsense_is_refused_by_name(pretrain):
    for options, said in (
        (["--profile", "gpuu"], "'gpuu': expected one of cpu"),
        (["--depth", "0"], "depth is 0, expected at least 1"),
        (["--spike", "ignroe"], "spike='ignroe'"),
    ):
        result = pretrain(*SHORT, *options)
        assert result.exit_code == 2 and said in result.stderr


def test_from_the_command_to_the_matmul_are_seven_stops(pretrain, monkeypatch):
    """What a reader meets on the way, as the stack of calls has it: torch's own frames left out."""
    home, stops, real = Path(course_lib.__file__).parent, [], F.scaled_dot_product_attention

    def watched(*arguments, **more):
        frame, found = sys._getframe(1), []
        while frame:
            code = frame.f_code
            if home in Path(code.co_filename).parents:
                found.append(("/".join(Path(code.co_filename).parts[-2:]), code.co_name))
            frame = frame.f_back
        stops[:] = found[::-1]
        return real(*arguments, **more)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    assert pretrain(*SHORT).exit_code == 0
    assert stops.pop(0)[1] == "invoke", "the place where errors are printed, around every command"
    assert stops == STOPS[:-1]
    assert len(stops) + 1 == len(STOPS) <= 7
