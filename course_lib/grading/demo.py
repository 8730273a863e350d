"""A class of 30 to try the grader on: good, partly right, wrong and hostile, as Canvas hands it on.

write_class(Path("demo"))    demo/submissions/…, demo/class.csv, demo/assignment.json
"""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from course_lib.checks import catalogue
from course_lib.grading.assign import constants_of
from course_lib.grading.demo_answers import (
    ATTENTION,
    FUNCTIONS,
    GOOD,
    HOSTILE,
    ROPE,
    STUBS,
    WRONG,
)
from course_lib.grading.intake.roster import plain, read_roster, to_json

SEED = 5
NAMES = (
    "Ada Berg",
    "Ben Castro",
    "Chi Dang",
    "Dora Eriksen",
    "Emil Farkas",
    "Fay Goldman",
    "Gus Hale",
    "Hana Ito",
    "Ivo Jansen",
    "Jana Kovač",
    "Karim Lahlou",
    "Lea Müller",
    "Mio Nakano",
    "Nora Olsen",
    "Omar Pérez",
    "Pia Quist",
    "Quinn Roy",
    "Rosa Silva",
    "Sami Toivonen",
    "Tara Usman",
    "Udo Vogel",
    "Vera Wolf",
    "Wim Xander",
    "Xenia Young",
    "Yara Zeller",
    "Zeno Abt",
    "Abe Brandt",
    "Bela Cohen",
    "Cem Demir",
    "Dana Ek",
)
GOOD_UNTIL, PARTLY_UNTIL, WRONG_UNTIL = 10, 18, 23  # the rest is hostile, or no notebook at all


def write_class(out: Path) -> tuple[Path, Path]:
    """Make the class below `out`; the submissions' folder, and its assignment.json."""
    submissions, roster = out / "submissions", out / "class.csv"
    submissions.mkdir(parents=True, exist_ok=True)
    with roster.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section"])
        for i, name in enumerate(NAMES):
            first, _, last = name.partition(" ")
            rows.writerow([f"{last}, {first}", 5000 + i, f"s{i:03}", login(name), "Demo"])
    people, exercises = read_roster(roster), catalogue()
    dealt = {
        p.student: {ROPE: constants_of(p.student, exercises[ROPE], SEED)} for p in people.people
    }
    whole = replace(people, exercises=tuple(FUNCTIONS), constants=dealt)
    (out / "assignment.json").write_text(to_json(whole, SEED), encoding="utf-8")
    for i, name in enumerate(NAMES):
        first, _, last = name.partition(" ")
        base = dealt[login(name)][ROPE]["BASE"]
        for file, data in _files(i, base):
            part = f"{plain(last + first)}_{5000 + i}_{90_000 + i}_{file}"
            (submissions / part).write_bytes(data)
    return submissions, out / "assignment.json"


def login(name: str) -> str:
    """What a student of the class is called by."""
    return plain(name)


def _files(i: int, base: int) -> Iterator[tuple[str, bytes]]:
    """What student i hands in."""
    if i >= WRONG_UNTIL:
        yield from _hostile_files(i - WRONG_UNTIL, base)
        return
    for at, name in enumerate(FUNCTIONS):
        good, wrong = GOOD[name][i % len(GOOD[name])], WRONG[name][(i + at) % len(WRONG[name])]
        if i < GOOD_UNTIL:
            source = STUBS[name] if i == at + 1 else good
        elif i < PARTLY_UNTIL:
            source = (good, wrong, good if i % 2 else STUBS[name])[(i + at) % 3]
        else:
            source = wrong
        yield _topic(name), _notebook(name, source, base, marked=i % 5 != 4)
    if i == 0:  # the first try was wrong; Canvas counts the second
        yield "rope-1.ipynb", _notebook(ROPE, GOOD[ROPE][0], base)


def _hostile_files(i: int, base: int) -> Iterator[tuple[str, bytes]]:
    sources = list(HOSTILE.values())
    if i < len(sources):
        yield _topic(ATTENTION), _notebook(ATTENTION, sources[i], base)
        yield _topic(ROPE), _notebook(ROPE, STUBS[ROPE], base)
        return
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../home/grader/.bashrc", "echo hello")
    yield "homework.zip", buffer.getvalue()
    yield _topic(ROPE), b'{"cells": [ this was a notebook once'


def _topic(name: str) -> str:
    return f"{name.split('/')[1]}.ipynb"


def _notebook(name: str, source: str, base: int, marked: bool = True) -> bytes:
    """A notebook as it comes back: the course's cells, the answer, and traces of work."""
    stem, topic = name.split("/")
    function = FUNCTIONS[name]
    answer = f"BASE = {base:_}\n\n{source}" if name == ROPE else source
    metadata = {"course": {"exercise": name, "role": "answer"}} if marked else {}
    cells = [
        _code(f"import math\nimport torch\nfrom course_lib.checks import {stem} as check"),
        _code(answer, metadata),
        _code(f"check.{topic}({function});"),
        _code("import matplotlib.pyplot as plt\nplt.plot(losses)"),
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1).encode()


def _code(source: str, metadata: dict | None = None) -> dict:
    said = {"output_type": "stream", "name": "stdout", "text": "10 of 10 points"}  # means nothing
    return {
        "cell_type": "code",
        "source": source,
        "metadata": metadata or {},
        "outputs": [said],
        "execution_count": 1,
    }
