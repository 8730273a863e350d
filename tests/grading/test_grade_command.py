"""`course assign`, then `course grade`, as an instructor would."""

import csv
import json
import signal
import subprocess
import sys
import zipfile

import pytest
from typer.testing import CliRunner

from course_lib.cli.main import app
from course_lib.grading.demo_answers import GOOD, ROPE, WRONG
from course_lib.grading.sandbox import probe
from course_lib.grading.sandbox.bubblewrap import NoSandbox

runner = CliRunner()


@pytest.fixture
def handed_in(tmp_path):
    """A zip of two students' notebooks, as assigned and worked on; and the assignment."""
    roster = tmp_path / "r.csv"
    roster.write_text("student id,name\nann,Ann Lee\nbob,Bob Roy\neve,Eve Ash\n")
    out = tmp_path / "week1"
    args = ["assign", ROPE, "--roster", str(roster), "--out", str(out), "--seed", "4"]
    assert runner.invoke(app, args).exit_code == 0
    for name, source in (("ann", GOOD[ROPE][0]), ("bob", WRONG[ROPE][0])):
        path = out / name / "rope.ipynb"
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            text = "".join(cell["source"])
            if cell["metadata"].get("course", {}).get("role") == "answer":
                kept = [line for line in text.split("\n") if line.startswith("BASE")]
                cell["source"] = "\n".join([*kept, source])
        path.write_text(json.dumps(notebook))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in ("ann", "bob"):
            archive.write(out / name / "rope.ipynb", f"week1/{name}/rope.ipynb")
    return tmp_path / "in.zip", out / "assignment.json"


def grade(handed_in, out, *more):
    submissions, assignment = handed_in
    secret = out.parent / "secret"
    secret.write_text("s" * 32)
    fixed = ["--out", str(out), "--roster", str(assignment), "--secret-file", str(secret)]
    return ["grade", str(submissions), *fixed, *more]


def grades(out):
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_a_class_is_graded_and_kept(handed_in, tmp_path):
    """Without the sandbox, so that it runs everywhere: the answers are our own."""
    out = tmp_path / "report"
    first = runner.invoke(app, grade(handed_in, out, "--unsafe-no-sandbox"))
    assert first.exit_code == 0, first.output
    assert "WITHOUT a sandbox" in " ".join(first.output.split())
    rows = grades(out)
    assert rows["ann"][ROPE] == "10.0" and rows["ann"]["status"] == "passed"
    assert float(rows["bob"][ROPE]) <= 1 and rows["eve"]["status"] == "nothing handed in"
    assert {row["sandbox"] for row in rows.values()} == {"NO SANDBOX"}
    assert "You turn the other way round" in (out / "feedback" / "bob.html").read_text()
    again = runner.invoke(app, grade(handed_in, out, "--unsafe-no-sandbox"))
    assert "0 contents graded, 3 kept" in " ".join(again.output.split())


def test_where_isolation_is_missing_it_refuses(handed_in, tmp_path, monkeypatch):
    def missing():
        raise NoSandbox("bubblewrap is missing: apt install bubblewrap")

    monkeypatch.setattr(probe, "require", missing)
    result = runner.invoke(app, grade(handed_in, tmp_path / "report"))
    assert result.exit_code == 2 and "apt install bubblewrap" in " ".join(result.output.split())
    assert not (tmp_path / "report").exists()


# The command, but that the second answer isn't graded before the file argv[1] is there.
SLOW = """
import pathlib, sys, time
from course_lib.cli.main import app
from course_lib.grading.judges import Judges

go, whole, calls = pathlib.Path(sys.argv[1]), Judges.grade, []

def grade(*given, **more):
    calls.append(given)
    while len(calls) == 2 and not go.exists():
        time.sleep(0.02)
    return whole(*given, **more)

Judges.grade = grade
app(sys.argv[2:])
"""


def test_ctrl_c_leaves_a_report_and_the_next_run_goes_on(handed_in, tmp_path):
    out, go = tmp_path / "report", tmp_path / "go"
    options = grade(handed_in, out, "--unsafe-no-sandbox", "--workers", "1")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(go), *options], stdout=subprocess.PIPE, text=True
    )
    said = ""
    while "1 of 3" not in said and (line := process.stdout.readline()):
        said += line
    process.send_signal(signal.SIGINT)
    while "in hand finish first" not in said and (line := process.stdout.readline()):
        said += line
    go.touch()
    rest, _ = process.communicate(timeout=300)
    assert process.returncode == 130, said + rest
    assert "goes on from here" in rest and (out / "summary.html").exists()
    kept = len(list(out.glob("results/*.json")))
    assert 1 <= kept <= 2, "the first, and the second where it was in hand"
    result = runner.invoke(app, grade(handed_in, out, "--unsafe-no-sandbox"))
    assert f"{kept} kept from before" in " ".join(result.output.split())
    assert grades(out)["ann"][ROPE] == "10.0"
