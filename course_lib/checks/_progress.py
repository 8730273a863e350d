"""What a learner has tried and done, kept in one small local file."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from course_lib import runtime


def path() -> Path:
    """The file, beside the models that the chapters build."""
    return runtime.home() / "progress.json"


def read() -> dict[str, dict]:
    """Exercise -> {"tries", "passed", "last"}. A file that isn't there, or isn't JSON, is empty."""
    with suppress(OSError, ValueError):
        notes = json.loads(path().read_text(encoding="utf-8"))
        return notes if isinstance(notes, dict) else {}
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
            before = notes.get(name, {"tries": 0, "passed": False})
            notes[name] = {
                "tries": before["tries"] + 1,
                "passed": before["passed"] or passed,
                "last": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            partial = path().with_suffix(".partial")
            partial.write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
            partial.replace(path())
