"""Whose file it is: decided by the hand-in's structure and the roster, never by a file's name."""

import io
import json
import zipfile

import pytest

from course_lib.grading.intake.roster import Person, Roster, read_roster
from course_lib.grading.intake.submission import read_class
from tests.grading.test_batch import ADD as EXERCISE

ADD = "def my_add(x):\n    return x + 1"


def notebook(*sources):
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    return json.dumps({"cells": cells, "metadata": {}}).encode()


def handed_in(root, files, people=()):
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    roster = Roster(people=tuple(people))
    students, _ = read_class(root, {"data/add": EXERCISE}, roster, ["data/add"])
    return {s.submission.student: s.submission for s in students}


def person(login, **row):
    return Person(student=login, row={"login": login, **row})


def answered(found):
    return sorted(name for name, one in found.items() if one.answers["data/add"])


def test_three_folders_are_three_students_whatever_their_files_are_called(tmp_path):
    files = {f"{who}/lab_{n}_{n + 1}_rope.ipynb": notebook(ADD) for n, who in enumerate("abc", 1)}
    assert answered(handed_in(tmp_path / "1", files)) == ["a", "b", "c"]
    files = {f"{who}/lab_01_02_rope.ipynb": notebook(ADD) for who in ("ann", "bob", "cy")}
    assert answered(handed_in(tmp_path / "2", files)) == ["ann", "bob", "cy"]
    files = {f"{who}/submission_7/rope.ipynb": notebook(ADD) for who in ("ann", "bob", "cy")}
    assert answered(handed_in(tmp_path / "3", files)) == ["ann", "bob", "cy"]


def test_a_canvas_file_that_speaks_of_moodle_replaces_nobodys(tmp_path):
    files = {
        "leebob_11_1_rope.ipynb": notebook(ADD),
        "malmal_12_2_leebob_11_assignsubmission_file_rope.ipynb": notebook("def my_add(x): pass"),
    }
    found = handed_in(tmp_path, files)
    assert answered(found) == ["leebob", "malmal"]
    assert "x + 1" in found["leebob"].answers["data/add"]


def test_ids_beat_names_and_a_shown_name_is_nobodys_login(tmp_path):
    people = [
        person("annlee", ID="11", Student="Zoe, Zed"),
        person("x9", ID="12", Student="Lee, Ann"),
    ]
    found = handed_in(tmp_path, {"leeann_12_5_rope.ipynb": notebook(ADD)}, people)
    assert answered(found) == ["x9"]
    found = handed_in(tmp_path, {"annlee_99_5_add.ipynb": notebook(ADD)}, people)
    assert not found["annlee"].answers["data/add"]


def test_two_of_one_name_are_for_a_person_to_tell_apart(tmp_path):
    people = [person("a1", Student="Lee, Ann"), person("a2", Student="Lee, Ann")]
    found = handed_in(tmp_path, {"leeann_12_5_rope.ipynb": notebook(ADD)}, people)
    assert answered(found) == ["leeann"]
    assert any("could be a1 or a2" in said for said in found["leeann"].problems)


def test_one_student_under_two_names_is_said(tmp_path):
    files = {"s1/add.ipynb": notebook(ADD), "ann/add.ipynb": notebook(ADD)}
    found = handed_in(tmp_path, files, [person("ann", number="s1")])
    assert any("handed in as 'ann' and as 's1'" in said for said in found["ann"].problems)


def test_a_stray_file_in_a_platforms_folder_is_listed_and_is_nobodys(tmp_path):
    files = {"leeann_1_2_add.py": b"", "leebob_3_4_add.py": b"", "x/ann.ipynb": notebook(ADD)}
    found = handed_in(tmp_path, files, [person("x"), person("ann")])
    assert answered(found) == ["x (unmatched)"]
    assert "say whose it is" in found["x (unmatched)"].problems[0]


LIST = """submission_1:
  :submitters:
  - :name: Ann
    :email: ann@u.edu
  - :name: Bob
    :email: bob@u.edu
"""


def test_everyone_of_a_group_is_given_its_work(tmp_path):
    files = {"g/submission_1/add.ipynb": notebook(ADD), "g/submission_metadata.yml": LIST.encode()}
    people = [person("ann", email="ann@u.edu"), person("bob", email="bob@u.edu")]
    assert answered(handed_in(tmp_path, files, people)) == ["ann", "bob"]


def test_an_uploaded_list_of_people_names_nobody(tmp_path):
    files = {
        "submission_1/add.ipynb": notebook(ADD),
        "submission_2/add.ipynb": notebook(ADD),
        "submission_2/submission_metadata.yml": LIST.encode(),
    }
    found = handed_in(tmp_path, files, [person("ann", email="ann@u.edu")])
    assert answered(found) == ["submission_1", "submission_2"]
    assert any("names nobody" in said for said in found["submission_2"].problems)


@pytest.mark.parametrize(
    "data",
    [
        "sep=,\nlogin,name\nann,Ann\n".encode("utf-16"),
        b"\n\nlogin;name\nann;Ann\n",
        b'"sep=;"\r\nlogin;name\r\nann;Ann\r\n',
        b",,\r\nlogin,name\r\nann,Ann\r\n",
    ],
)
def test_rosters_as_spreadsheets_write_them(tmp_path, data):
    (tmp_path / "r.csv").write_bytes(data)
    assert [p.student for p in read_roster(tmp_path / "r.csv").people] == ["ann"]


def test_canvas_notes_are_no_students(tmp_path):
    text = (
        "Student,ID,SIS Login ID,Essay (3)\n,,,Manual Posting\n"
        '    Points Possible,,,10\n"Lee, Ann",7,-ann,\n'
    )
    (tmp_path / "r.csv").write_text(text)
    assert [p.student for p in read_roster(tmp_path / "r.csv").people] == ["-ann"]


def zipped(files, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def read_zip(tmp_path, data):
    (tmp_path / "class.zip").write_bytes(data)
    students, _ = read_class(tmp_path / "class.zip", {"data/add": EXERCISE}, Roster(), ["data/add"])
    return {s.submission.student: s.submission for s in students}


def test_a_damaged_file_of_a_class_is_named_and_the_others_are_read(tmp_path):
    sound = zipped(
        {"A: B_1_assignsubmission_file_/add.py": ADD, "C_2_assignsubmission_file_/add.py": ADD}
    )
    at = sound.index(b"/add.py") + len(b"/add.py")
    damaged = sound[:at] + b"\xff" + sound[at + 1 :]
    found = read_zip(tmp_path, damaged)
    assert answered(found) == ["C"] and "it is damaged" in found["A: B"].problems[0]
    assert answered(read_zip(tmp_path, sound)) == ["A: B", "C"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_no_flipped_bit_of_one_students_archive_ends_the_run(tmp_path, method):
    sound = zipped({"add.py": ADD}, method)
    files = {}
    for at in range(len(sound)):
        flipped = bytearray(sound)
        flipped[at] ^= 1 << at % 8
        files[f"s{at}/work.zip"] = bytes(flipped)
    found = handed_in(tmp_path, {**files, "honest/add.py": ADD.encode()})
    assert len(found) == len(sound) + 1 and found["honest"].answers["data/add"]
    assert all(one.answers["data/add"] or one.problems for one in found.values())


def test_an_archive_in_an_archive_is_named(tmp_path):
    found = handed_in(tmp_path, {"ann/hw.zip": zipped({"deep.zip": zipped({"add.py": ADD})})})
    assert "deep.zip in it is an archive again" in found["ann"].problems[0]


def test_a_large_class_is_read(tmp_path):
    files = {f"s{i}/n{k}.py": "" for i in range(300) for k in range(7)}
    assert len(read_zip(tmp_path, zipped(files, zipfile.ZIP_STORED))) == 300


def test_constants_that_were_dealt_are_not_forgotten_in_silence(tmp_path):
    source = notebook(ADD, "check.add.variant(ONE=2)(my_add)")
    found = handed_in(tmp_path, {"ann/add.ipynb": source, "bob/add.ipynb": notebook(ADD)})
    assert "give --roster the assignment.json" in found["ann"].problems[0]
    assert not found["bob"].problems
