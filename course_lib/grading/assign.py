"""Everyone's notebooks: the same exercises, with constants of one's own where there are some."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from course_lib.checks.exercise import Exercise
from course_lib.grading.intake.roster import Roster, to_json
from course_lib.grading.marks.settle import KEYS
from course_lib.grading.reports.report import slug


class NoNotebook(ValueError):
    """An exercise's notebook that isn't there, or isn't as the course makes it."""


def constants_of(student: str, exercise: Exercise, seed: int) -> dict[str, Any]:
    """The student's variant: drawn by hash, so it doesn't change when the roster grows."""
    chosen = {}
    for name, values in exercise.constants.items():
        text = f"{seed}\0{student}\0{exercise.name}\0{name}"
        draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        chosen[name] = values[draw % len(values)]
    return chosen


def write_assignment(
    roster: Roster,
    names: Sequence[str],
    exercises: Mapping[str, Exercise],
    notebooks: Path,
    out: Path,
    seed: int,
) -> int:
    """One folder a student and assignment.json beside them; how many notebooks were written.

    notebooks: the course's folder of exercises (exercises/ of its repository; the installed package
    holds none). What an assignment.json from before says of marks is kept. Raises NoNotebook where
    one is missing.
    """
    kept = _of_marks(out / "assignment.json")
    sources = {name: _read(notebooks, name) for name in names}
    dealt: dict[str, dict] = {}
    for person in roster.people:
        dealt[person.student] = {}
        for name, source in sources.items():
            chosen = constants_of(person.student, exercises[name], seed)
            if chosen:
                dealt[person.student][name] = chosen
            text = variant(source, exercises[name], chosen)
            path = out / slug(person.student) / f"{name.split('/')[1]}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    whole = replace(roster, exercises=tuple(names), constants=dealt)
    data = {**json.loads(to_json(whole, seed)), **kept}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    (out / "assignment.json").write_text(text, encoding="utf-8")
    return len(roster.people) * len(names)


def _of_marks(path: Path) -> dict[str, Any]:
    """What somebody wrote into an assignment.json: late days, and a rubric."""
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}, expected JSON, as course assign wrote it") from error
    return {key: data[key] for key in KEYS if key in data}


def _read(notebooks: Path, name: str) -> str:
    path = notebooks / f"{name}.ipynb"
    if not path.is_file():
        raise NoNotebook(
            f"{path} is not there: give the exercises/ folder of the course's repository with "
            "--notebooks"
        )
    return path.read_text(encoding="utf-8")


def variant(text: str, exercise: Exercise, chosen: Mapping[str, Any]) -> str:
    """The notebook with these constants, in the answer's cell and in its check.

    Raises NoNotebook where the notebook has no line to put them on.
    """
    notebook = json.loads(text)
    if chosen:
        topic = exercise.name.split("/")[1]
        given = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
        checked = 0
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                continue
            source = "".join(cell["source"])
            if re.search(rf"^def {exercise.answer}\b", source, re.MULTILINE):
                source = _set(source, exercise, chosen)
            source, count = re.subn(
                rf"\bcheck\.{topic}(\.variant\([^()]*\))?\(",
                lambda _: f"check.{topic}.variant({given})(",
                source,
            )
            checked += count
            cell["source"] = source
        if not checked:
            raise NoNotebook(f"{exercise.name}: its notebook has no cell that calls check.{topic}")
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _set(source: str, exercise: Exercise, chosen: Mapping[str, Any]) -> str:
    """The answer's cell with `NAME = value` lines of the variant."""
    for name, value in chosen.items():
        line = f"{name} = {_plain(value)}"
        given = re.compile(rf"^{name} = [^#\n]*?(?=\s*(#|$))", re.MULTILINE)
        source, count = given.subn(lambda _, line=line: line, source)
        if not count:
            raise NoNotebook(f"{exercise.name}: its notebook has no line {name} = … in the answer")
    return source


def _plain(value: Any) -> str:
    """As a person would write it: 500_000."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:_}" if whole and abs(value) >= 10_000 else repr(value)
