"""Hand-ins as they really come: whose file it is, what ends a run, and what was graded 0 unsaid."""

import io
import json
import random
import zipfile
from dataclasses import replace

import pytest

from course_lib.grading.intake.archive import BadArchive, read_archive
from course_lib.grading.intake.notebook import Cell
from course_lib.grading.intake.origin import origin, platform_of
from course_lib.grading.intake.rebuild import parse, rebuild
from course_lib.grading.intake.roster import Roster
from course_lib.grading.intake.submission import read_class
from tests.grading import test_batch
from tests.grading.test_intake_whose import ADD, notebook

NAME = "architecture/rope"
EXERCISE = replace(test_batch.ADD, name=NAME)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def classroom(tmp_path, files: dict[str, bytes]) -> dict:
    """The submissions by student, of a folder with those files."""
    for path, data in files.items():
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_bytes(data)
    students, _ = read_class(tmp_path / "in", {NAME: EXERCISE}, Roster(), wanted=[NAME])
    return {s.submission.student: s.submission for s in students}


def test_a_students_own_folder_beats_any_name_of_a_file(tmp_path):
    found = classroom(
        tmp_path, {f"{s}/lab_01_02_rope.ipynb": notebook(ADD) for s in ("ann", "bob", "cy")}
    )
    assert set(found) == {"ann", "bob", "cy"}
    assert all(submission.answers[NAME] for submission in found.values())


def test_a_file_name_of_one_platform_claims_nobodys_work_on_another(tmp_path):
    mine, evil = "leeann_11_21_rope.ipynb", "evil_12_22_Lee Ann_11_assignsubmission_file_rope.ipynb"
    other = "doebo_13_23_rope.ipynb"
    wrong = "def my_add(x):\n    return x"
    found = classroom(tmp_path, {mine: notebook(ADD), evil: notebook(wrong), other: notebook(ADD)})
    assert set(found) == {"leeann", "evil", "doebo"}
    assert "x + 1" in found["leeann"].answers[NAME]


@pytest.mark.parametrize(
    ("paths", "platform"),
    [
        (["ann_1_2_rope.ipynb", "bob_3_4_rope.ipynb"], "canvas"),
        (["Ann Lee_5_assignsubmission_file_/rope.ipynb"], "moodle"),
        (["submission_7/rope.ipynb", "submission_8/a_1_2_b.ipynb"], "gradescope"),
        (["submitted/ann/hw/rope.ipynb"], "nbgrader"),
        (["ann/a_1_2_b.ipynb", "bob/submission_7"], ""),
        ([], ""),
    ],
)
def test_the_platform_is_decided_once(paths, platform):
    assert platform_of(paths) == platform
    assert all(origin(path, "me", (), platform).platform == platform for path in paths)


def test_a_students_own_list_of_people_says_nothing(tmp_path):
    people = b"submission_7:\n  :submitters:\n  - :name: Bob\n    :email: bob@uni.example\n"
    files = {
        "submission_7/rope.ipynb": notebook(ADD),
        "submission_8/rope.ipynb": notebook(ADD),
        "submission_7/submission_metadata.yml": people,
    }
    assert set(classroom(tmp_path, files)) == {"submission_7", "submission_8"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_any_flipped_bit_is_a_reason_and_never_a_traceback(method):
    data = zipped({"a.py": ADD.encode() * 3, "b.py": b"x = 1"}, method)
    for place in range(len(data)):
        for bit in (1, 16, 128):
            hurt = bytearray(data)
            hurt[place] ^= bit
            try:
                read_archive(bytes(hurt))
            except BadArchive as error:
                assert str(error)


def test_random_bytes_are_no_archive():
    draw = random.Random(0)
    for start in (b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00", b"ustar"):
        for _ in range(20):
            with pytest.raises(BadArchive):
                read_archive(start + draw.randbytes(200))


def test_one_bad_member_does_not_end_the_class(tmp_path):
    data = bytearray(zipped({"ann/rope.ipynb": notebook(ADD), "bob/rope.ipynb": notebook(ADD)}))
    place = bytes(data).index(b"bob/rope.ipynb") + 40
    data[place] ^= 255
    whole = tmp_path / "class.zip"
    whole.write_bytes(data)
    students, _ = read_class(whole, {NAME: EXERCISE}, Roster(), wanted=[NAME])
    ann, bob = (s.submission for s in students)
    assert ann.answers[NAME] and not bob.answers[NAME]
    assert "it is damaged" in bob.problems[0]


def test_names_with_a_colon_are_names(tmp_path):
    whole = tmp_path / "class.zip"
    folder = "A: B_1_assignsubmission_file_"
    whole.write_bytes(zipped({f"{folder}/rope.ipynb": notebook(ADD)}))
    students, _ = read_class(whole, {NAME: EXERCISE}, Roster(), wanted=[NAME])
    assert [s.submission.student for s in students] == ["A: B"]
    with pytest.raises(BadArchive, match="absolute path"):
        read_archive(zipped({"C:/rope.py": b"x"}))


def test_an_archive_inside_an_archive_is_said(tmp_path):
    inner = zipped({"rope.ipynb": notebook(ADD)})
    found = classroom(tmp_path, {"ann/work.zip": zipped({"more.zip": inner})})
    assert "more.zip in it is an archive again" in found["ann"].problems[0]


def test_a_class_of_three_hundred_fits(tmp_path):
    files = {f"s{i}/part{j}.py": b"x = 1" for i in range(300) for j in range(7)}
    assert len(read_archive(zipped(files), skipped={})) == 2_100
    with pytest.raises(BadArchive, match="at most 2,000"):
        read_archive(zipped(files))  # one student's


ANSWERED = {
    "a constant that is made": (
        'import torch\ndevice = torch.device("cpu")',
        "def my_add(x):\n    return torch.ones((), device=device) + x",
    ),
    "a lambda": ("one = lambda x: x + 1", "def my_add(x):\n    return one(x)"),
    "a partial": (
        "from functools import partial\nfrom operator import add\none = partial(add, 1)",
        "def my_add(x):\n    return one(x)",
    ),
    "a namedtuple": (
        "from collections import namedtuple\nPair = namedtuple('Pair', 'a b')",
        "def my_add(x):\n    return Pair(x, 1).a + 1",
    ),
    "an import with a fallback": (
        "try:\n    import numpy as np\nexcept ImportError:\n    np = None",
        "def my_add(x):\n    return np.add(x, 1)",
    ),
    "an operator at a line's start": (
        "%matplotlib inline\nkept = (7\n % 4)",
        "def my_add(x):\n    return x + kept - 2",
    ),
    "commands of the notebook": (
        "!pip install numpy\nfiles = !ls\nimport math?\n%time 1\none = 1",
        "def my_add(x):\n    return x + one",
    ),
}


@pytest.mark.parametrize("what", ANSWERED)
def test_what_the_answer_needs_is_taken_along(what):
    cells = [Cell(i, source) for i, source in enumerate(ANSWERED[what], start=1)]
    answer = rebuild(parse(cells), NAME, "my_add")
    space: dict = {}
    exec(answer.source, space)
    assert float(space["my_add"](2)) == 3.0, answer


def test_a_loop_that_makes_a_value_is_taken_along():
    cells = [
        Cell(1, "table = []"),
        Cell(2, "for i in range(3):\n    shift = i"),
        Cell(3, "def my_add(x):\n    return x + shift"),
    ]
    space: dict = {}
    exec(rebuild(parse(cells), NAME, "my_add").source, space)
    assert space["my_add"](1) == 3 and "table" not in space


@pytest.mark.parametrize(
    "source",
    [
        "%x\n" + " " * 30_000 + "y",
        "%x\n" + "a" + " " * 30_000 + "= 1",
        "%x\n" + "? " * 15_000 + "z",
        "x" + " = x" * 4_000 + " = 1",
        "(" * 5_000,
        "x = " + "-" * 30_000 + "1",
    ],
)
def test_odd_sources_are_read_or_refused(source):
    """Each is read in well under a second; quadratic readers took minutes."""
    parsed = parse([Cell(1, source), Cell(2, ADD)])
    assert rebuild(parsed, NAME, "my_add").source.count("def my_add") == 1


def test_eight_thousand_cells():
    cells = [Cell(i, f"x{i} = {i}") for i in range(8_000)] + [Cell(8_000, ADD)]
    assert "def my_add" in rebuild(parse(cells), NAME, "my_add").source


def test_half_a_character_in_a_file_is_handled(tmp_path):
    odd = json.dumps({"cells": [{"cell_type": "code", "source": ADD + "\n# \ud83d"}]}).encode()
    found = classroom(tmp_path, {"ann/rope.ipynb": odd, "bob/rope.ipynb": notebook(ADD)})
    assert found["bob"].answers[NAME]
    assert found["ann"].answers[NAME] or found["ann"].problems
