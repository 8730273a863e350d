"""`course progress`: notes of the instant checks, as a table."""

import json

import pytest
from typer.testing import CliRunner

from course_lib.checks import STEMS, catalogue, progress
from course_lib.cli.main import app

runner = CliRunner()
FIRST = next(iter(catalogue()))
STEM = FIRST.split("/")[0]
POINTS = catalogue()[FIRST].points


@pytest.fixture(autouse=True)
def own_notes(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)


def shown(*arguments: str, text: str | None = None):
    return runner.invoke(app, ["progress", *arguments], input=text, env={"COLUMNS": "160"})


def row(output: str, name: str) -> list[str]:
    line = next(line for line in output.splitlines() if name in line)
    return [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]


def test_before_the_first_try_it_says_so_and_where_to_begin():
    output = shown().output
    assert "Nothing tried yet" in output
    assert "exercises/" in output and ".ipynb" in output
    assert all(stem in output for stem in STEMS)


def test_a_try_and_a_pass_are_told_apart_and_only_a_pass_has_points():
    progress.remember(FIRST, passed=False)
    total = sum(e.points for n, e in catalogue().items() if n.startswith(f"{STEM}/"))
    of = sum(n.startswith(f"{STEM}/") for n in catalogue())
    assert row(shown().output, STEM) == [STEM, "0", "1", str(of - 1), f"0 of {total}"]
    progress.remember(FIRST, passed=True)
    progress.remember(FIRST, passed=False)  # once passed stays passed
    assert row(shown().output, STEM) == [STEM, "1", "0", str(of - 1), f"{POINTS} of {total}"]
    assert "Nothing tried yet" not in shown().output


def test_a_chapter_lists_its_exercises_with_their_tries():
    for _ in range(3):
        progress.remember(FIRST, passed=False)
    cells = row(shown(STEM).output, FIRST.split("/")[1])
    assert "tried" in cells[1] and cells[4] == "3" and cells[5] == f"0 of {POINTS}"


def test_a_wrong_chapter_is_named_with_the_right_ones():
    result = shown("sfd")
    assert result.exit_code == 2 and "'sfd'" in result.output and "alignment" in result.output


def test_reset_asks_first_and_forgets_only_the_chapter():
    other = next(name for name in catalogue() if not name.startswith(f"{STEM}/"))
    progress.remember(FIRST, passed=True)
    progress.remember(other, passed=True)
    assert shown("--reset", text="n\n").exit_code == 1
    assert set(progress.read()) == {FIRST, other}
    assert shown(STEM, "--reset", text="y\n").exit_code == 0
    assert set(progress.read()) == {other}
    assert "1 exercises forgotten" in shown("--reset", "--yes").output
    assert progress.read() == {}


DAMAGED = ("", "{", "[]", json.dumps({FIRST: 7}), '{"no/such": {"tries": 2}}')


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_or_old_notes_do_no_harm(text):
    progress.path().parent.mkdir(parents=True, exist_ok=True)
    progress.path().write_text(text)
    assert "Nothing tried yet" in shown().output
    progress.remember(FIRST, passed=True)
    assert json.loads(progress.path().read_text())[FIRST]["passed"]


def test_all_done_is_said():
    for name in catalogue():
        progress.remember(name, passed=True)
    assert "All done" in shown().output


def test_progress_is_kept_in_a_file_and_brought_to_another_machine(monkeypatch, tmp_path):
    other = next(name for name in catalogue() if name != FIRST)
    progress.remember(FIRST, passed=True)
    progress.remember(FIRST, passed=False)
    file = tmp_path / "kept.json"
    assert "1 exercises kept" in shown("--keep", str(file)).output
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "elsewhere"))
    progress.remember(FIRST, passed=False)
    progress.remember(other, passed=True)
    for _ in range(2):
        assert "1 exercises brought" in shown("--bring", str(file)).output
    notes = progress.read()
    assert notes[FIRST]["passed"] and notes[FIRST]["tries"] == 2
    assert notes[other] == {**notes[other], "tries": 1, "passed": True}


@pytest.mark.parametrize("text", [None, "{", "[]", '{"a": 1}', '{"a": {"tries": "2"}}'])
def test_another_file_brings_nothing_and_is_named(text, tmp_path):
    progress.remember(FIRST, passed=True)
    before, file = progress.read(), tmp_path / "other.json"
    if text is not None:
        file.write_text(text)
    result = shown("--bring", str(file))
    assert result.exit_code == 2 and "other.json" in result.output.replace("\n", "")
    assert progress.read() == before
