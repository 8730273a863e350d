"""Limits for all of a worker's processes together: the kernel's control groups, version 2.

Where no group can be made (it isn't allowed, or they are of version 1), `make` returns None. Then
each process has its own limits all the same, and the judge watches the memory of all of them from
outside (pool.py).
"""

import contextlib
import itertools
import os
import time
from pathlib import Path

from course_lib.grading.sandbox.bubblewrap import Limits

ROOT = Path("/sys/fs/cgroup")
OWN = 8  # processes of the sandbox itself
_numbers = itertools.count()


def make(limits: Limits, root: Path = ROOT) -> Path | None:
    """A new group with the limits, or None where that isn't ours to make."""
    if not (root / "cgroup.controllers").exists():
        return None
    folder = root / f"course-grading-{os.getpid()}-{next(_numbers)}"
    values = {
        "memory.max": limits.resident,
        "memory.swap.max": 0,
        "pids.max": limits.processes + OWN,
    }
    try:
        folder.mkdir()
        for name, value in values.items():
            (folder / name).write_text(str(value))
    except OSError:
        remove(folder)
        return None
    return folder


def joined(folder: Path | None, line: list[str]) -> list[str]:
    """The command line, run as a member of the group."""
    if folder is None:
        return line
    return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(folder / "cgroup.procs"), *line]


def remove(folder: Path | None) -> None:
    """Take a group away once its processes are gone."""
    for _ in range(20 if folder is not None else 0):
        with contextlib.suppress(OSError):
            folder.rmdir()
        if not folder.exists():
            return
        time.sleep(0.05)
