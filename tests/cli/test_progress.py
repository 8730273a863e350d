"""`course progress`: notes of the instant checks, told as a table."""

import json

import pytest
from typer.testing import CliRunner

from course_lib.checks import STEMS, catalogue
from course_lib.checks import progress as _progress
from course_lib.cli.main import app

runner = CliRunner()
FIRST = next(iter(catalogue()))
STEM = FIRST.split("/")[0]
POINTS = catalogue()[FIRST].points


@pytest.fixture(autouse=True)
def own_notes(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)


def told(*arguments: str, text: str | None = None):
    return runner.invoke(app, ["progress", *arguments], input=text, env={"COLUMNS": "160"})


def row(output: str, name: str) -> list[str]:
    line = next(line for line in output.splitlines() if name in line)
    return [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]


def test_before_the_first_try_it_says_so_and_where_to_begin():
    output = told().output
    assert "Nothing tried yet" in output
    assert "exercises/" in output and ".ipynb" in output
    assert all(stem in output for stem in STEMS)


def test_a_try_and_a_pass_are_told_apart_and_only_a_pass_has_points():
    _progress.remember(FIRST, passed=False)
    total = sum(e.points for n, e in catalogue().items() if n.startswith(f"{STEM}/"))
    of = sum(n.startswith(f"{STEM}/") for n in catalogue())
    assert row(told().output, STEM) == [STEM, "0", "1", str(of - 1), f"0 of {total}"]
    _progress.remember(FIRST, passed=True)
    _progress.remember(FIRST, passed=False)  # once passed stays passed
    assert row(told().output, STEM) == [STEM, "1", "0", str(of - 1), f"{POINTS} of {total}"]
    assert "Nothing tried yet" not in told().output


def test_a_chapter_lists_its_exercises_with_their_tries():
    for _ in range(3):
        _progress.remember(FIRST, passed=False)
    cells = row(told(STEM).output, FIRST.split("/")[1])
    assert "tried" in cells[1] and cells[4] == "3" and cells[5] == f"0 of {POINTS}"


def test_a_wrong_chapter_is_named_with_the_right_ones():
    result = told("sfd")
    assert result.exit_code == 2 and "'sfd'" in result.output and "alignment" in result.output


def test_reset_asks_first_and_forgets_only_the_chapter():
    other = next(name for name in catalogue() if not name.startswith(f"{STEM}/"))
    _progress.remember(FIRST, passed=True)
    _progress.remember(other, passed=True)
    assert told("--reset", text="n\n").exit_code == 1
    assert set(_progress.read()) == {FIRST, other}
    assert told(STEM, "--reset", text="y\n").exit_code == 0
    assert set(_progress.read()) == {other}
    assert "1 exercises forgotten" in told("--reset", "--yes").output
    assert _progress.read() == {}


DAMAGED = ("", "{", "[]", json.dumps({FIRST: 7}), '{"no/such": {"tries": 2}}')


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_or_old_notes_do_no_harm(text):
    _progress.path().parent.mkdir(parents=True, exist_ok=True)
    _progress.path().write_text(text)
    assert "Nothing tried yet" in told().output
    _progress.remember(FIRST, passed=True)
    assert json.loads(_progress.path().read_text())[FIRST]["passed"]


def test_all_done_is_said():
    for name in catalogue():
        _progress.remember(name, passed=True)
    assert "All done" in told().output
