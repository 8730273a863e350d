"""The `course` command: what it prints where all is well, and where a name is wrong."""

import pytest
from typer.testing import CliRunner

from course_lib.cli import output
from course_lib.cli.main import app

runner = CliRunner()


def test_no_arguments_shows_the_commands():
    out = runner.invoke(app, []).output
    assert all(command in out for command in COMMANDS.split())


def test_the_help_fits_a_screen_in_groups():
    out = runner.invoke(app, ["--help"], env={"COLUMNS": "80"}).output
    assert out.count("\n") <= 30
    assert "…" not in out
    lines = [line for line in out.splitlines() if line.startswith("│")]
    assert len(lines) == len(COMMANDS.split()) + 1  # a line each, and one for --help


def test_a_wrong_stage_is_named_with_the_right_ones():
    result = runner.invoke(app, ["build", "bsae"])
    assert result.exit_code == 2
    assert "'bsae'" in result.output and "tokenizer" in result.output


def test_artifacts_says_what_is_missing_and_how_to_build_it(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setattr(output.console, "width", 200)  # whatever the first test's terminal was
    out = runner.invoke(app, ["artifacts"]).output
    assert out.count("not built") == 7  # six stages and the published model
    assert "course build corpus" in out and "course build published" in out


def test_a_wrong_experiment_is_named_with_the_right_ones():
    result = runner.invoke(app, ["experiment", "evaluation/sedes"])
    assert result.exit_code == 2
    assert "evaluation/seeds" in result.output


def test_doctor_names_what_it_looked_at():
    result = runner.invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code in (0, 1)
    for what in ("Python", "versions", "cores"):
        assert what.lower() in result.output.lower()


COMMANDS = (
    "build artifacts experiment tokens pretrain plan chat serve eval export doctor progress grade "
    "assign"
)


@pytest.mark.parametrize("command", COMMANDS.split())
def test_every_command_explains_itself(command):
    assert runner.invoke(app, [command, "--help"]).exit_code == 0
