"""The autograder's zip: what is in it, and its logic on a folder like Gradescope's."""

import json
import stat
import zipfile

import pytest

from course_lib.grading.demo_answers import FUNCTIONS, GOOD, ROPE
from course_lib.grading.outcome import Graded, Result
from course_lib.grading.reports import gradescope
from course_lib.grading.sandbox.bubblewrap import NoSandbox

WANTED = tuple(FUNCTIONS)


def graded(submission, secret, **settings):
    """Stands for the judge: full marks for whatever was answered."""
    marks = tuple(
        Graded(exercise=n, points=10.0 if s else 0.0, out_of=10, status="passed" if s else "wrong")
        for n, s in submission.answers.items()
    )
    return Result(student=submission.student, digest="", graded=marks, seconds=1.0, **settings)


@pytest.fixture
def root(tmp_path):
    """/autograder, as it is when run_autograder is called."""
    with_roster = {"students": {"ann": {"row": {"email": "ann@x.org"}}}, "exercises": list(WANTED)}
    with_roster["students"]["ann"]["constants"] = {ROPE: {"BASE": 50_000}}
    roster = tmp_path / "assignment.json"
    roster.write_text(json.dumps(with_roster))
    path = tmp_path / "autograder.zip"
    gradescope.write_autograder(path, WANTED, b"s" * 32, "llm-course", roster=roster)
    root = tmp_path / "autograder"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(root / "source")
    (root / "submission").mkdir()
    (root / "submission" / "rope.py").write_text("import torch\n" + GOOD[ROPE][0])
    users = {"users": [{"email": "ann@x.org", "name": "Ann Lee"}]}
    (root / "submission_metadata.json").write_text(json.dumps(users))
    return root


def test_the_zip_has_what_gradescope_asks_for(root):
    path = root.parent / "autograder.zip"
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "settings.json", "assignment.json"} == names
        for name in ("setup.sh", "run_autograder"):
            assert archive.getinfo(name).external_attr >> 16 & stat.S_IXUSR
            assert archive.read(name).startswith(b"#!")
        assert b"bubblewrap libseccomp2" in archive.read("setup.sh")


def test_one_submission_is_graded_with_the_students_own_constants(root, monkeypatch):
    seen = []
    monkeypatch.setattr(
        gradescope,
        "grade_alone",
        lambda one, secret, **k: seen.append((one, secret)) or graded(one, b""),
    )
    data = gradescope.run(root)
    assert json.loads((root / "results" / "results.json").read_text()) == data
    assert data["score"] == 10 and [t["score"] for t in data["tests"]] == [10, 0, 0]
    ((submission, secret),) = seen
    assert secret == b"s" * 32
    assert submission.constants == {ROPE: {"BASE": 50_000}}


def test_where_isolation_is_missing_nothing_is_graded(root, monkeypatch):
    def refuse(*_, **__):
        raise NoSandbox("user namespaces are denied here")

    monkeypatch.setattr(gradescope, "grade_alone", refuse)
    data = gradescope.run(root)
    assert data["score"] == 0 and "user namespaces are denied" in data["output"]


def test_no_files_are_said(root):
    (root / "submission" / "rope.py").unlink()
    data = gradescope.run(root)
    assert data["score"] == 0 and "no notebook" in data["output"]


def test_without_a_sandbox_it_says_so():
    result = Result(student="a", digest="", graded=(), sandboxed=False)
    assert "WITHOUT a sandbox" in gradescope.results_json(result, {})["output"]


@pytest.mark.parametrize("settings", [None, "{", "{}"])
def test_whatever_happens_there_is_a_results_file(root, settings):
    path = root / "source" / "settings.json"
    path.unlink() if settings is None else path.write_text(settings)
    data = gradescope.run(root)
    assert data["score"] == 0 and data["output"].startswith("Not graded: ")
    assert json.loads((root / "results" / "results.json").read_text()) == data
