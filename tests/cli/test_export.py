"""From own text to a model that `transformers` loads: tokens, pretrain, chat, export."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from course_lib.cli.main import app
from course_lib.pretraining.checkpoints.checkpoint import save_checkpoint
from course_lib.pretraining.real_run.trained import load_run, run_tokenizer

runner = CliRunner()
SHORT = ["--depth", "1", "--steps", "2", "--batch-size", "1", "--seq-len", "16"]


def course(*arguments: object, text: str | None = None):
    return runner.invoke(app, [str(a) for a in arguments], input=text)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two steps on a folder of own text."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "text").mkdir()
    for i in range(30):
        words = f"Page {i} says that the lamp by the door number {i} was red, and stayed so. " * 3
        (folder / "text" / f"{i}.txt").write_text(words)
    made = course("tokens", folder / "text", "--out", folder / "tokens", "--vocab-size", 280)
    assert made.exit_code == 0, made.output
    done = course("pretrain", "--tokens", folder / "tokens", "--out", folder / "run", *SHORT)
    assert done.exit_code == 0, done.output
    return folder / "run"


def test_a_run_is_opened_and_goes_on_with_each_line(run):
    result = course("chat", "--model", run, text="The lamp\nThe door\n")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 2


def test_eval_says_bits_a_byte_of_own_text_as_transformers_does(run, tmp_path):
    out, text = tmp_path / "export", "The lamp by the door number 7 was red."
    (tmp_path / "apart.txt").write_text(text)
    assert course("export", out, "--model", run).exit_code == 0
    theirs, voice = AutoModelForCausalLM.from_pretrained(out).eval(), run_tokenizer(run)
    ids = torch.tensor([[voice.eos_id, *voice.encode(text)]])
    with torch.no_grad():
        nats = float(theirs(ids, labels=ids).loss) * (ids.shape[1] - 1)
    wanted = f"{nats / math.log(2) / len(text):.3f}"
    for model in (run, out):
        result = course("eval", tmp_path / "apart.txt", "--model", model)
        assert result.exit_code == 0, result.output
        assert wanted in result.output and f"{len(text)} bytes" in result.output


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["nowhere.txt"], "nowhere.txt"),
        (["empty.txt"], "0 bytes"),
        (["apart.txt", "--characters", 0], "--characters 0"),
        (["apart.txt", "--context", 1], "--context 1"),
        (["apart.txt", "--model", "nobody"], "nobody"),
    ],
)
def test_eval_refuses_in_one_line(run, tmp_path, monkeypatch, options, named):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apart.txt").write_text("The lamp was red.")
    (tmp_path / "empty.txt").write_text("")
    result = course("eval", *options, *(["--model", run] if "--model" not in options else []))
    assert result.exit_code == 2 and named in result.output.replace("\n", " ")


def test_transformers_loads_the_export_with_equal_logits(run, tmp_path):
    out = tmp_path / "export"
    result = course("export", out, "--model", run)
    assert result.exit_code == 0, result.output
    theirs, tokenizer = (
        AutoModelForCausalLM.from_pretrained(out),
        AutoTokenizer.from_pretrained(out),
    )
    ids = tokenizer("The lamp by the door")["input_ids"]
    assert ids == run_tokenizer(run).encode("The lamp by the door")
    with torch.no_grad():
        ours = load_run(run)(torch.tensor([ids]))
        assert (theirs.eval()(torch.tensor([ids])).logits - ours).abs().max() < 1e-5
    again = course("chat", "--model", out, text="The lamp\n")
    assert again.exit_code == 0, again.output


def test_nothing_that_is_there_is_written_over(run, tmp_path):
    (tmp_path / "mine").write_text("x")
    result = course("export", tmp_path, "--model", run)
    assert result.exit_code == 2 and "there already" in result.output
    result = course("export", tmp_path / "new", "--model", run, "--format", "onix")
    assert result.exit_code == 2 and "'onix'" in result.output
    assert not (tmp_path / "new").exists()


def test_a_run_without_a_whole_checkpoint_or_a_tokenizer_is_named(run, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    result = course("chat", "--model", tmp_path, text="The\n")
    assert result.exit_code == 2 and "no whole checkpoint" in result.output.replace("\n", " ")
    model = load_run(run)
    save_checkpoint(tmp_path / "checkpoints", 1, model, torch.optim.AdamW(model.parameters()))
    result = course("chat", "--model", tmp_path, text="The\n")
    assert result.exit_code == 2 and "train()" in result.output
