"""From a platform's download to one submission a student: read by names, put together, not run."""

import io
import json
import os
import zipfile

import pytest

from course_lib.checks.exercise import Case, Exercise
from course_lib.grading.intake.collect import NoSubmissions
from course_lib.grading.intake.origin import origin
from course_lib.grading.intake.roster import BadRoster, Person, Roster, read_roster
from course_lib.grading.intake.submission import read_class


def exercise(name, answer):
    return Exercise(
        name=name,
        title=name,
        answer=answer,
        kind="warm-up",
        minutes=5,
        points=10,
        cases=lambda seed: [Case("a number", (seed,))],
        reference=lambda x: x + 1,
        mistakes={"You subtract.": lambda x: x - 1},
    )


EXERCISES = {
    e.name: e
    for e in (
        exercise("data/add", "my_add"),
        exercise("data/double", "my_double"),
        exercise("data/first_loss", "my_loss"),
        exercise("data/other_loss", "my_loss"),
    )
}
ADD = "def my_add(x):\n    return x + 1"
STUB = "def my_add(x):\n    raise NotImplementedError"


def code(source, answers=None, **more):
    metadata = {"course": {"exercise": answers, "role": "answer"}} if answers else {}
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], **more}


def notebook(*cells, **metadata):
    cells = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    data = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(data).encode()


def handed_in(tmp_path, files, roster=None, wanted=("data/add",)):
    """The students, by name, of a folder with those files."""
    root = tmp_path / "in"
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data if isinstance(data, bytes) else data.encode())
    students, _ = read_class(root, EXERCISES, roster or Roster(), wanted)
    return {s.submission.student: s.submission for s in students}


def one(tmp_path, data, name="ann/add.ipynb", wanted=("data/add",)):
    (submission,) = handed_in(tmp_path, {name: data}, wanted=wanted).values()
    return submission


def run(source, function="my_add"):
    space = {}
    exec(source, space)
    return space[function]


def test_an_answer_is_its_cell_and_what_it_needs_of_the_others(tmp_path):
    """Plots, downloads, checks and dead ends stay behind; helpers and constants come along."""
    data = notebook(
        "import math, nosuchmodule\nfrom course_lib.checks import data as check\nx = open('/etc')",
        "ONE = 1.0\ndef helper(x):\n    return math.floor(x + ONE)\nprint(1 / 0)",
        "import math",
        code(
            "!pip install torch\n%matplotlib inline\nTABLE = [helper(0)]; print(x)\n"
            "TABLE[0] = 0\ndef my_add(x):\n    out = helper(x) + TABLE[0]  # grün\n    return out\n"
            "out = my_add(x)\ncheck.add(my_add);",
            "data/add",
        ),
        "raise SystemExit",
    )
    submission = one(tmp_path, data)
    source = submission.answers["data/add"]
    assert "# grün" in source
    for gone in ("SystemExit", "check", "print", "open(", "pip", "matplotlib", "out = my_add"):
        assert gone not in source
    with pytest.raises(ModuleNotFoundError):  # the line also binds math, which is needed
        run(source)
    assert run(source.replace(", nosuchmodule", ""))(2) == 3


def test_imports_that_the_answer_does_not_use_are_left_out(tmp_path):
    data = notebook("import matplotlib.pyplot as plt\nfrom google.colab import drive", ADD)
    source = one(tmp_path, data).answers["data/add"]
    assert "google" not in source and "matplotlib" not in source


def test_without_metadata_the_function_is_found_by_its_name(tmp_path):
    submission = one(tmp_path, notebook("x = 1", ADD), name="ann/whatever.ipynb")
    assert run(submission.answers["data/add"])(1) == 2
    assert submission.problems == ()


def test_the_last_definition_counts_but_not_a_stub_below_it(tmp_path):
    twice = notebook(code(STUB, "data/add"), ADD.replace("1", "7"), ADD, STUB)
    submission = one(tmp_path, twice)
    assert run(submission.answers["data/add"])(1) == 2
    assert "defined in cells 2, 3: the last one counts" in submission.problems[0]


def test_an_untouched_stub_stays_one(tmp_path):
    submission = one(tmp_path, notebook(code(STUB, "data/add")))
    with pytest.raises(NotImplementedError):
        run(submission.answers["data/add"])(1)


def test_a_function_given_by_assignment_is_an_answer_too(tmp_path):
    data = notebook(code("step = 1\nmy_add = lambda x: x + step", "data/add"))
    assert run(one(tmp_path, data).answers["data/add"])(1) == 2


def test_two_marked_cells_are_said(tmp_path):
    data = notebook(code(ADD.replace("1", "3"), "data/add"), code(ADD, "data/add"))
    submission = one(tmp_path, data)
    assert run(submission.answers["data/add"])(1) == 2
    assert "2 cells are marked as the answer: the last definition counts" in submission.problems[0]


def test_a_future_import_comes_first(tmp_path):
    data = notebook("ONE = 1", "from __future__ import annotations\n" + ADD.replace("1", "ONE"))
    assert run(one(tmp_path, data).answers["data/add"])(1) == 2


def test_course_lib_is_left_out_and_said(tmp_path):
    data = notebook("from course_lib.checks import data\n\ndef my_add(x):\n    return data.add(x)")
    submission = one(tmp_path, data)
    assert "import" not in submission.answers["data/add"]
    assert "an answer must stand on its own" in submission.problems[0]


def test_an_answer_that_does_not_parse_is_passed_on_as_it_is(tmp_path):
    submission = one(tmp_path, notebook(code("def my_add(x)\n    return 1", "data/add"), "1 +"))
    assert submission.answers["data/add"].startswith("def my_add(x)\n")
    assert "cell 1 is no Python that can be read (SyntaxError in line 1" in submission.problems[0]


@pytest.mark.parametrize(
    "source",
    [
        "-" * 200_000 + "1",
        "(" * 5_000,
        "a" + ".b" * 100_000,
        "x = 1\0",
        "f(a, a=1",
        "def f(a, a): pass",
        "await x",
        "def my_add(x): nonlocal y",
    ],
    ids=["minus", "brackets", "dots", "NUL", "open", "twice", "await", "nonlocal"],
)
def test_code_that_python_cannot_read_is_a_problem_not_a_crash(tmp_path, source):
    submission = one(tmp_path, notebook(source, ADD))
    assert run(submission.answers["data/add"])(1) == 2
    assert "cell 1 is no Python that can be read" in submission.problems[0]
    submission.problems[0].encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is no notebook: it is empty"),
        (b"%PDF-1.7", "it is no notebook: its JSON breaks off"),
        (b"[1, 2]", "it is no notebook: its JSON is a list"),
        (b"{}", "it is no notebook: it has no list of cells"),
        (b"[" * 100_000, "it is no notebook: its JSON is nested too deep"),
        (notebook("x" * 500_000), "it holds 500,000 characters of code"),
    ],
    ids=["empty", "a PDF", "a list", "no cells", "nested deep", "very long"],
)
def test_what_is_no_notebook_is_said(tmp_path, data, said):
    submission = one(tmp_path, data)
    assert submission.answers == {"data/add": ""}
    assert submission.problems[0].startswith(f"add.ipynb: {said}")


def test_a_huge_notebook_is_refused_with_the_remedy(tmp_path):
    big = notebook(ADD) + b" " * (50 << 20)
    assert "clear the outputs" in one(tmp_path, big).problems[0]


ODD_CELLS = [
    {"cell_type": "code"},
    {"cell_type": "code", "source": 3, "metadata": []},
    None,
    "x",
    7,
    {"cell_type": "code", "source": [ADD, None, 3], "metadata": {"course": []}},
    {"cell_type": "code", "source": "", "metadata": {"course": {"exercise": {}, "role": "answer"}}},
]


def test_odd_cells_and_forged_outputs_are_not_looked_at(tmp_path):
    forged = code("x = 1", outputs=[{"output_type": "stream", "text": "score 100"}], id="a")
    submission = one(tmp_path, notebook(*ODD_CELLS, {**forged}, {**forged}))
    assert run(submission.answers["data/add"])(1) == 2
    assert submission.problems == ("add.ipynb: two of its cells have the same id",)


@pytest.mark.parametrize("kernel", [{"language": "R", "name": "ir"}, {"language": "julia"}])
def test_another_kernel_is_said(tmp_path, kernel):
    submission = one(tmp_path, notebook(ADD, kernelspec=kernel))
    assert submission.answers["data/add"]
    assert f"its kernel speaks {kernel['language']!r}" in submission.problems[0]


@pytest.mark.parametrize("kernel", [None, 3, {"name": 7}, {"language": ["python"]}, {}])
def test_a_broken_kernelspec_is_nothing(tmp_path, kernel):
    assert one(tmp_path, notebook(ADD, kernelspec=kernel)).problems == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks_of_an_encoding_are_understood(tmp_path, encoding):
    submission = one(tmp_path, notebook(ADD).decode().encode(encoding))
    assert run(submission.answers["data/add"])(1) == 2
    assert submission.problems == ()


def test_latin_1_is_read_and_said(tmp_path):
    submission = one(tmp_path, "# für\n".encode("latin-1") + ADD.encode(), name="ann/add.py")
    assert "# für" in submission.answers["data/add"]
    assert "read as Latin-1" in submission.problems[0]


def test_a_py_file_is_read_like_a_notebook(tmp_path):
    source = (
        f"import sys\nK = 1\n{ADD.replace('1', 'K')}\nif __name__ == '__main__':\n    sys.exit(1)"
    )
    submission = one(tmp_path, source, name="ann/solution.py")
    assert run(submission.answers["data/add"])(1) == 2
    assert "exit" not in submission.answers["data/add"]


def test_files_that_shadow_modules_do_nothing(tmp_path):
    files = {f"ann/{n}.py": "raise SystemExit" for n in ("torch", "conftest", "sitecustomize")}
    submission = handed_in(tmp_path, {**files, "ann/add.ipynb": notebook(ADD)})["ann"]
    assert run(submission.answers["data/add"])(1) == 2
    assert len(submission.files) == 4 and submission.problems == ()


def test_one_name_for_two_exercises_is_told_by_file_or_check(tmp_path):
    loss = "def my_loss(x):\n    return x"
    files = {
        "ann/other_loss-1.ipynb": notebook(loss),
        "bob/work.ipynb": notebook(loss, "check.first_loss(my_loss);"),
        "cat/work.ipynb": notebook(loss),
        "dan/work.ipynb": notebook(code(loss, "data/other_loss")),
    }
    got = handed_in(tmp_path, files, wanted=("data/first_loss", "data/other_loss"))
    answered = {s: [e for e, text in sub.answers.items() if text] for s, sub in got.items()}
    assert answered == {
        "ann": ["data/other_loss"],
        "bob": ["data/first_loss"],
        "cat": [],
        "dan": ["data/other_loss"],
    }
    assert "name the file after the exercise" in got["cat"].problems[0]


CANVAS = "leeann_{}12345_678{}_add{}.ipynb"


def test_canvas_names_and_the_later_try_counts(tmp_path):
    files = {
        CANVAS.format("", 1, ""): notebook(ADD.replace("1", "3")),
        CANVAS.format("LATE_", 2, "-1"): notebook(ADD.replace("1", "4")),
        CANVAS.format("LATE_", 3, "-10"): notebook(ADD),
        CANVAS.format("", 4, "-11"): notebook(STUB),
        "leeann_99_5_add.ipynb": notebook(ADD.replace("1", "5")),
    }
    got = handed_in(tmp_path, files)
    assert sorted(got) == ["leeann-12345", "leeann-99"]
    assert run(got["leeann-12345"].answers["data/add"])(1) == 2
    assert "handed in late" in got["leeann-12345"].problems


MOODLE = "Zoë van Dam_4711_assignsubmission_file_"


@pytest.mark.parametrize("path", [f"{MOODLE}/add.ipynb", f"{MOODLE}add.ipynb"])
def test_moodle_names(tmp_path, path):
    roster = Roster(people=(Person(student="zvd", row={"Identifier": "Participant 4711"}),))
    got = handed_in(tmp_path, {path: notebook(ADD)}, roster)
    assert list(got) == ["zvd"] and got["zvd"].answers["data/add"]
    assert list(handed_in(tmp_path, {})) == ["Zoë van Dam"]


def test_gradescope_names_come_from_its_own_list(tmp_path):
    people = """\
submission_12:
  :submitters:
  - :name: Ann Lee
    :email: ann@example.org
    :sid: '77'
"""
    files = {
        "assignment_1_export/submission_metadata.yml": people,
        "assignment_1_export/submission_12/add.ipynb": notebook(ADD),
        "assignment_1_export/submission_13/add.ipynb": notebook(ADD),
    }
    roster = Roster(people=(Person(student="ann@example.org"),))
    got = handed_in(tmp_path, files, roster)
    assert sorted(got) == ["ann@example.org", "submission_13"]


def test_nbgrader_and_plain_folders(tmp_path):
    got = handed_in(tmp_path, {f"submitted/{s}/ps1/add.ipynb": notebook(ADD) for s in "ab"})
    assert list(got) == ["a", "b"]
    plain = handed_in(tmp_path / "plain", {f"hw1/{s}/add.ipynb": notebook(ADD) for s in "ab"})
    assert list(plain) == ["a", "b"]


def test_ones_own_folder_of_exercises_is_one_student(tmp_path):
    files = {"add.ipynb": notebook(ADD), "double.ipynb": notebook("def my_double(x): return 2 * x")}
    got = handed_in(tmp_path, files, wanted=("data/add", "data/double"))
    assert list(got) == ["in"] and all(got["in"].answers.values())
    assert origin("ann.ipynb", "in", {"add"}).student == "ann"


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_a_students_archive_is_unpacked_and_a_hostile_one_put_aside(tmp_path):
    files = {
        "leeann_1_2_hw.zip": zipped({"hw/add.ipynb": notebook(ADD), "__MACOSX/x.py": b""}),
        "mal_3_4_hw.zip": zipped({"../../etc/cron.d/add.py": ADD.encode()}),
        "pic_5_6_hw.zip": b"no zip at all",
    }
    got = handed_in(tmp_path, files)
    assert got["leeann"].files == ("hw/add.ipynb",) and got["leeann"].answers["data/add"]
    assert "'../../etc/cron.d/add.py' leads out of the archive" in got["mal"].problems[0]
    assert "neither a zip nor a tar" in got["pic"].problems[0]


def test_a_class_in_one_zip_keeps_going_past_one_bomb(tmp_path):
    whole = tmp_path / "class.zip"
    whole.write_bytes(zipped({"a/add.ipynb": notebook(ADD), "b/add.ipynb": b"\0" * (10 << 20)}))
    students, wanted = read_class(whole, EXERCISES, Roster())
    a, b = (s.submission for s in students)
    assert wanted == ("data/add",) and a.answers["data/add"] and not b.answers["data/add"]
    assert "expands" in b.problems[0]
    whole.write_bytes(zipped({"/etc/add.py": ADD.encode()}))
    students, _ = read_class(whole, EXERCISES, Roster())
    assert "absolute path" in students[0].submission.problems[0]


def test_links_and_pipes_are_not_opened(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text(ADD)
    folder = tmp_path / "in" / "ann"
    folder.mkdir(parents=True)
    (folder / "add.py").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "more.py")
    submission = handed_in(tmp_path, {"bob/add.py": ADD})["ann"]
    assert submission.answers == {"data/add": ""}
    assert "add.py: it is a link" in submission.problems[0]
    assert "a device or a pipe" in str(submission.problems)


def test_names_with_control_characters_are_cleaned(tmp_path):
    (student,) = handed_in(tmp_path, {"\x1b[31mev\u202eil\n/add.py": ADD})
    assert "\x1b" not in student and "\u202e" not in student and student.isprintable() is not None


def test_nothing_to_grade_is_said(tmp_path):
    with pytest.raises(NoSubmissions, match="no notebook"):
        read_class(tmp_path, EXERCISES, Roster())
    with pytest.raises(NoSubmissions, match="expected a folder"):
        read_class(tmp_path / "none.pdf", EXERCISES, Roster())


def test_constants_come_from_the_roster_and_who_is_missing_is_there(tmp_path):
    roster = Roster(
        people=(Person(student="ann"), Person(student="eve")),
        exercises=("data/add",),
        constants={"ann": {"data/add": {"K": 3}}, "eve": {}},
    )
    files = {"ann/add.py": "K = 9\n" + ADD, "stranger/add.py": ADD}
    got = handed_in(tmp_path, files, roster, wanted=())
    assert got["ann"].constants == {"data/add": {"K": 3}}
    assert got["eve"].problems == ("nothing was handed in",) and got["eve"].answers == {
        "data/add": ""
    }
    assert "not on the roster" in got["stranger"].problems[0]


def test_rosters_of_the_platforms(tmp_path):
    canvas = tmp_path / "canvas.csv"
    canvas.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n"
        '"Müller, Jörg",12345,s1,jm1,A\n"Lee, Ann",2,s2,al2,A\n',
        encoding="utf-8-sig",
    )
    roster = read_roster(canvas)
    assert [p.student for p in roster.people] == ["jm1", "al2"]
    assert roster.find("mullerjorg").student == roster.find("12345").student == "jm1"
    moodle = tmp_path / "moodle.csv"
    moodle.write_text("Identifier;Full name;Email address\nParticipant 9;Zoë van Dam;z@x.org\n")
    roster = read_roster(moodle)
    assert roster.find("Zoë van Dam") is roster.find("Participant 9") is roster.people[0]
    assert roster.find("nobody") is None
    own = tmp_path / "own.csv"
    own.write_text("colour\nred\n")
    with pytest.raises(BadRoster, match="no column names the students"):
        read_roster(own)
