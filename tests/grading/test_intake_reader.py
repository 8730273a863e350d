"""What is read of students' files: in a process apart, within limits, at one student's own cost."""

import io
import json
import zipfile

import pytest

from course_lib.grading.apart import Apart, Bounds, Lost
from course_lib.grading.intake import reader
from course_lib.grading.intake.roster import Roster
from course_lib.grading.intake.submission import read_class
from tests.grading.test_batch import ADD as EXERCISE

ADD = "def my_add(x):\n    return x + 1\n"
NAMES = {"data/add": EXERCISE}
READABLE = {  # long or odd, and read all the same
    "30,000 spaces": ADD + "y = 1" + " " * 30_000 + "\n",
    "30,000 spaces before a command": ADD + " " * 30_000 + "%time y = 1\n",
    "4,000 chained assignments": ADD + "".join(f"y{i} = " for i in range(4_000)) + "1\n",
    "a 300,000-digit number": ADD + "n = " + "7" * 300_000 + "\n",
    "a 300,000-digit number in hexadecimal": ADD + "n = 0x" + "f" * 300_000 + "\n",
    "brackets 20,000 deep": ADD + "n = " + "[" * 20_000 + "]" * 20_000 + "\n",
    "20,000 minus signs": ADD + "n = " + "-" * 20_000 + "1\n",
    "a sum of 20,000": ADD + "n = " + "+".join("1" for _ in range(20_000)) + "\n",
    "20,000 attributes": ADD + "n = a" + ".b" * 20_000 + "\n",
    "functions 90 deep": ADD
    + "".join(" " * i + f"def f{i}():\n" for i in range(90))
    + " " * 91
    + "0",
    "a trap for a regex": ADD + "y = " + "a" * 200 * 1_000 + "!\n",
    "30,000 open quotes": ADD + "y = " + '"' * 30_001 + "\n",
    "30,000 questions": ADD + "what" + "?" * 30_000 + "\n",
    "30,000 commands": ADD + "!ls\n" * 30_000,
    "30,000 backslashes": ADD + "y = 1" + "\\\n" * 30_000,
    "an f-string in f-strings": ADD + "y = " + "f'{" * 90 + "1" + "}'" * 90 + "\n",
    "a cell of names": ADD + "; ".join(f"n{i} = n{i - 1}" for i in range(1, 20_000)) + "\n",
}


def notebook(*sources):
    cells = [{"cell_type": "code", "source": s, "metadata": {}, "outputs": []} for s in sources]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}).encode()


def class_of(tmp_path, files):
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    students, _ = read_class(tmp_path, NAMES, Roster(), ["data/add"])
    return {s.submission.student: s.submission for s in students}


@pytest.mark.parametrize("name", READABLE)
def test_a_long_hand_in_is_read_within_the_limits(tmp_path, name, monkeypatch):
    """Seconds of the processor, not of the clock; the answer is found, or the reason is said."""
    monkeypatch.setattr(reader, "SECONDS", 5.0)
    rest = READABLE[name].removeprefix(ADD)
    files = {
        "a/add.ipynb": notebook(ADD, rest),
        "b/add.py": READABLE[name].encode(),
        "c/add.ipynb": notebook(*[ADD] * 3),
    }
    found = class_of(tmp_path, files)
    assert "my_add" in found["a"].answers["data/add"], found["a"].problems
    assert "my_add" in found["b"].answers["data/add"], found["b"].problems
    assert found["c"].answers["data/add"]
    assert not [p for s in found.values() for p in s.problems if "busy" in p or "ended the" in p]


def test_8000_cells_and_as_many_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "SECONDS", 10.0)
    many = [f"x{i} = x{i - 1} + 1" for i in range(1, 8_000)]
    files = {
        "a/add.ipynb": notebook(*many, ADD),
        "b/add.ipynb": notebook(*["def ("] * 8_000, ADD),
        "c/add.ipynb": notebook(*[ADD] * 8_000),
    }
    found = class_of(tmp_path, files)
    assert all("my_add" in found[s].answers["data/add"] for s in "abc")


def test_what_takes_too_long_costs_its_own_hand_in_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "SECONDS", 0.1)
    slow = notebook(*(f"x{i} = {i}" for i in range(20_000)))
    files = {f"slow/{i}.ipynb": slow for i in range(3)} | {"tidy/add.py": ADD.encode()}
    found = class_of(tmp_path, files)
    assert "busy for more than" in found["slow"].problems[0]
    assert "had taken" in found["slow"].problems[1] and len(found["slow"].problems) == 3
    assert found["tidy"].answers["data/add"] and not found["tidy"].problems


def test_what_ends_the_process_costs_its_own_hand_in_alone(tmp_path, monkeypatch):
    class Ended(Apart):
        def receive(self, cpu_seconds=None):
            if self.sent.get("file", "").endswith("evil.py"):
                self.process.kill()
            return super().receive(cpu_seconds)

        def send(self, request):
            self.sent = request
            super().send(request)

    ended = Ended("course_lib.grading.intake.reading", reader.BOUNDS, first={})
    monkeypatch.setattr(reader, "_shared", lambda: ended)
    slow = notebook(*(f"x{i} = {i}" for i in range(3_000)))
    found = class_of(tmp_path, {"a/evil.py": slow, "b/add.py": ADD.encode()})
    ended.end()
    assert "ended the process" in found["a"].problems[0] and "SIGKILL" in found["a"].problems[0]
    assert found["b"].answers["data/add"]


def test_a_file_is_not_read_beyond_what_may_be_graded(tmp_path):
    with (tmp_path / "ann.ipynb").open("wb") as file:
        file.truncate(40 << 30)  # 40 GB, and no byte of it on the disk
    (tmp_path / "bob.py").write_text(ADD)
    with (tmp_path / "cy.zip").open("wb") as file:
        file.truncate(40 << 30)
    found = class_of(tmp_path, {})
    assert "more than 20,971,520 bytes" in found["ann"].problems[0]
    assert "more than 268,435,456 bytes" in found["cy"].problems[0]
    assert found["bob"].answers["data/add"]


def test_a_students_archive_is_read_file_by_file_within_the_same_limits(tmp_path, monkeypatch):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(80):
            archive.writestr(f"n{i:02}.py", f"x = {i}")
        archive.writestr("add.py", ADD)
    found = class_of(tmp_path, {"ann/all.zip": out.getvalue(), "bob/add.py": ADD.encode()})
    assert len(found["ann"].files) == 60 and found["ann"].answers["data/add"]
    assert any("81 files" in problem for problem in found["ann"].problems)
    assert found["bob"].answers["data/add"]


def test_a_list_of_people_that_grows_without_end_names_nobody(tmp_path):
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)
    )
    bomb += "submission_1:\n  :submitters:\n  - :name: *a59\n    :email: ann@x.org\n"
    files = {"submission_1/add.py": ADD.encode(), "submission_2/add.py": ADD.encode()}
    found = class_of(tmp_path, {**files, "submission_metadata.yml": bomb.encode()})
    assert set(found) == {"submission_1", "submission_2"}


@pytest.mark.parametrize(
    "bounds", [{"cpu_seconds": 0.0}, {"wall_seconds": 0.0}, {"line_bytes": 10}]
)
def test_each_limit_of_a_process_apart_ends_it(tmp_path, bounds):
    (tmp_path / "a.ipynb").write_bytes(notebook(*(f"x{i} = {i}" for i in range(9_000))))
    limits = {"cpu_seconds": 60.0, "wall_seconds": 600.0, "memory": 1 << 30, **bounds}
    apart = Apart("course_lib.grading.intake.reading", Bounds(**limits))
    request = {"file": str(tmp_path / "a.ipynb"), "name": "a.ipynb", "functions": {}}
    with pytest.raises(Lost, match="busy|came of it"):
        apart.ask(request)
    assert apart.process is None
