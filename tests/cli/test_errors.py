"""Errors are printed in one place, as they are, and words from outside never as markup."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from course_lib import artifacts, experiments
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
