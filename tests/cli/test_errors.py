"""Errors are printed in one place, as they are, and words from outside never as markup."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from course_lib import artifacts, experiments, lineage
from course_lib.cli.main import app

runner = CliRunner()
WIDE = {"COLUMNS": "200"}
ODD = "[red]no[/x] such \\[thing] :smile: in /tmp/[b]"


def failing(error: Exception):
    def run(*arguments):
        raise error

    return run


@pytest.mark.parametrize("error", [ValueError(ODD), OSError(ODD), artifacts.Damaged(ODD)])
def test_a_message_is_printed_as_it_is_without_a_traceback(monkeypatch, error):
    monkeypatch.setattr(experiments, "run", failing(error))
    result = runner.invoke(app, ["experiment", "a/b"], env=WIDE)
    assert result.exit_code == 2 and result.stderr == f"{ODD}\n"
    assert isinstance(result.exception, SystemExit)


def test_an_error_of_the_system_names_its_file(tmp_path):
    roster = tmp_path / "[red]missing.csv"
    command = ["assign", "architecture/rope", "--roster", str(roster), "--out", str(tmp_path)]
    result = runner.invoke(app, command, env={"COLUMNS": "20"})
    assert result.exit_code == 2
    assert str(roster) in result.stderr, "whole, however narrow the terminal is"


@pytest.mark.parametrize("command", ["chat", "serve"])
def test_a_store_that_cannot_be_written_is_named_before_anything_is_built(
    monkeypatch, tmp_path, command
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    lineage.artifact.cache_clear()
    port = ["--port", "0"] if command == "serve" else []
    result = runner.invoke(app, [command, *port], env=WIDE)
    assert result.exit_code == 2
    assert f"the store can't be written: {tmp_path}/file" in result.stderr
    assert "COURSE_HOME" in result.stderr


@pytest.mark.parametrize("command", ["chat", "serve", "build"])
def test_a_wrong_profile_is_one_sentence(monkeypatch, command):
    monkeypatch.setenv("COURSE_PROFILE", "huge")
    lineage.recipes.cache_clear()
    lineage.artifact.cache_clear()
    port = ["--port", "0"] if command == "serve" else []
    result = runner.invoke(app, [command, *port], env=WIDE)
    assert result.exit_code == 2
    expected = "profile 'huge': expected one of cpu, colab, gpu, auto (COURSE_PROFILE)"
    assert result.stderr.splitlines()[-1] == expected


@pytest.mark.parametrize(
    "options, named",
    [
        (["--port", "99999"], "port is 99999"),
        (["--port", "-1"], "port is -1"),
        (["--host", "0.0.0.0"], "set an API key (--api-key, or COURSE_API_KEY)"),
        (["--host", "::"], "set an API key"),
        (["--host", "a.invalid", "--api-key", "k", "--port", "0"], "cannot listen on host="),
        (["--port", "0", "--api-key", ""], "the API key is empty"),
    ],
)
def test_serve_says_what_is_wrong_before_it_loads_a_model(monkeypatch, options, named):
    monkeypatch.setattr(lineage, "model", failing(RuntimeError("too late")))
    result = runner.invoke(app, ["serve", *options], env=WIDE)
    assert result.exit_code == 2
    assert named in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(experiments, "run", failing(RuntimeError("a bug")))
    assert isinstance(runner.invoke(app, ["experiment", "a/b"]).exception, RuntimeError)


def test_an_argument_that_looks_like_markup_is_named(monkeypatch):
    for command in (["build", "[red]x[/x]"], ["progress", "[red]x[/x]"], ["plan", "[red]x[/x]"]):
        result = runner.invoke(app, command, env=WIDE)
        assert result.exit_code == 2 and "'[red]x[/x]'" in result.stderr


def test_tables_show_words_from_outside_as_they_are(monkeypatch):
    monkeypatch.setattr(artifacts, "load", failing(artifacts.Damaged("[b]x[/y]: missing")))
    result = runner.invoke(app, ["artifacts"], env=WIDE)
    assert result.exit_code == 0 and "[b]x[/y]: missing" in result.stdout


def test_the_help_waits_for_no_torch():
    """`course --help` and `course doctor` answer where torch is slow, or broken."""
    code = "import sys, course_lib.cli.main; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
