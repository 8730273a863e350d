"""What a learner has tried and done, kept in one small local file."""

import json
import os
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from course_lib import runtime


def path() -> Path:
    """The file, beside the models that the chapters build."""
    return runtime.home() / "progress.json"


def read() -> dict[str, dict]:
    """Exercise -> {"tries", "passed", "last"}. What isn't there, or isn't that, is left out."""
    with suppress(OSError, ValueError):
        notes = json.loads(path().read_text(encoding="utf-8"))
        if isinstance(notes, dict):
            return {name: note for name, note in notes.items() if isinstance(note, dict)}
    return {}


def remember(name: str, passed: bool) -> None:
    """Note one try. An exercise once passed stays passed.

    COURSE_PROGRESS=off keeps no notes. A file that can't be written is no reason to fail a check.
    """
    if os.environ.get("COURSE_PROGRESS") == "off":
        return
    with suppress(OSError):
        path().parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path()}.lock", timeout=1):  # its Timeout is an OSError
            notes = read()
            before = notes.get(name, {})
            notes[name] = {
                "tries": before.get("tries", 0) + 1,
                "passed": before.get("passed", False) or passed,
                "last": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            _write(notes)


def keep(file: Path) -> int:
    """Write the notes into a file of the learner's own; returns how many exercises it names."""
    notes = read()
    file.write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
    return len(notes)


def bring(file: Path) -> int:
    """Add the notes of a kept file to those of this machine; returns how many it names.

    What either knows is known after: passed in one is passed, and of tries the larger number
    counts, so that the same file may be brought twice. Raises ValueError for another kind of file.
    """
    try:
        brought = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: no kept progress ({error})") from error
    if not isinstance(brought, dict) or not all(map(_is_note, brought.values())):
        raise ValueError(f"{file}: no kept progress: expected what `course progress --keep` wrote")
    path().parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path()}.lock", timeout=1):
        notes = read()
        for name, note in brought.items():
            mine = notes.get(name, {})
            notes[name] = {
                "tries": max(mine.get("tries", 0), note["tries"]),
                "passed": mine.get("passed", False) or note["passed"],
                "last": max(str(mine.get("last", "")), note["last"]),
            }
        _write(notes)
    return len(brought)


def _is_note(note: object) -> bool:
    kinds = {"tries": int, "passed": bool, "last": str}
    return isinstance(note, dict) and all(type(note.get(k)) is kind for k, kind in kinds.items())


def forget(names: Collection[str] | None = None) -> int:
    """Drop these notes, or all; returns how many there were. Raises OSError if it can't write."""
    if not path().exists():
        return 0
    with FileLock(f"{path()}.lock", timeout=1):
        notes = read()
        kept = {} if names is None else {k: v for k, v in notes.items() if k not in names}
        _write(kept)
    return len(notes) - len(kept)


def _write(notes: dict[str, dict]) -> None:
    partial = path().with_suffix(".partial")
    partial.write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
    partial.replace(path())
