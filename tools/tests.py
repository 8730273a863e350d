"""Run the tests, and remember which of them passed with which code.

    python -m tools.tests             all of them, but for parity and the browser
    python -m tools.tests --changed   those whose code has changed since they last passed

A test file counts as changed when its own text has, or that of a test it imports, the code of a
course_lib module that it reaches, the files of a folder that it names, or the lock. `--changed`
takes the files nearest to the change first, as many as fit into its time by what they took before.
The rest stays changed, for the next call or for `make test`.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from course_lib import imports
from tools.keys import files_hash
from tools.sources import REPO
from tools.store import STORE

TESTS = REPO / "tests"
KEPT = STORE.parent / "tests.json"
ELSEWHERE = ("tests/parity", "tests/test_book.py", "tests/test_imports.py")  # steps of their own
READ = ("book", "solutions", "exercises", "results", "benchmarks", "tools")
QUICK_SECONDS = 100.0  # of the tests themselves, on two processes
UNKNOWN_SECONDS = 4.0  # of a file that has never run
IMPORT = re.compile(r"^\s*from (tests(?:\.\w+)+) import", re.MULTILINE)


def test_files() -> list[str]:
    """Every test file that this command runs, by its path in the repository."""
    names = sorted(path.relative_to(REPO).as_posix() for path in TESTS.rglob("test_*.py"))
    return [name for name in names if not name.startswith(ELSEWHERE)]


def key(name: str) -> str:
    """A hash of all that decides whether the file's tests pass."""
    texts = _with_helpers(name)
    modules = {module for text in texts.values() for module in imports.imports_of(text, name)}
    folders = [folder for folder in READ if any(folder in text for text in texts.values())]
    parts = [hashlib.sha256(text.encode()).hexdigest() for _, text in sorted(texts.items())]
    parts += [imports.closure_hash(modules), _lock(), *map(_folder_hash, folders)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def distance(name: str, changed: frozenset[str]) -> int:
    """How many imports lie between a test file and the nearest changed module; many if none."""
    reached = imports.imports_of((REPO / name).read_text(encoding="utf-8"), name)
    seen: set[str] = set()
    for steps in range(20):
        if reached & changed:
            return steps
        seen |= reached
        reached = frozenset().union(*(imports.direct(module) for module in reached)) - seen
    return 20


def _with_helpers(name: str) -> dict[str, str]:
    """The texts of a test file, of the conftests above it and of the tests that it imports."""
    path = REPO / name
    above = [folder for folder in path.parents if folder.is_relative_to(TESTS)]
    todo = [path, *(folder / "conftest.py" for folder in above)]
    texts: dict[str, str] = {}
    while todo:
        path = todo.pop()
        at = path.relative_to(REPO).as_posix()
        if at not in texts and path.is_file():
            texts[at] = path.read_text(encoding="utf-8")
            todo += [REPO / f"{m.replace('.', '/')}.py" for m in IMPORT.findall(texts[at])]
    return texts


@cache
def _folder_hash(folder: str) -> str:
    names = {".py", ".md", ".yml", ".json", ".ipynb", ".js"}
    return files_hash(p for p in (REPO / folder).rglob("*") if p.is_file() and p.suffix in names)


@cache
def _lock() -> str:
    return files_hash([REPO / "requirements.lock", REPO / "pyproject.toml"])


def chosen(names: Iterable[str], known: dict) -> list[str]:
    """Of the changed files those that fit into the time, nearest to the change first."""
    then = known.get("modules", {})
    changed = frozenset(m for m in imports.module_names() if then.get(m) != imports.module_hash(m))
    took = {name: known.get(name, {}).get("seconds", UNKNOWN_SECONDS) for name in names}
    found, spent = [], 0.0
    for name in sorted(names, key=lambda n: (distance(n, changed), took[n], n)):
        if spent + took[name] / 2 <= QUICK_SECONDS:
            spent += took[name] / 2
            found.append(name)
    return found


def run(names: list[str]) -> tuple[int, list[str], dict[str, float]]:
    """Run test files on two processes: pytest's code, who failed, and the seconds of each."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["-q", "--no-header", "-n", "2", "--dist", "worksteal", "--durations=8"]
        command = [sys.executable, "-m", "pytest", "-p", "tools.recorder", *options, *names]
        environment = os.environ | {"COURSE_TESTS_REPORT": str(report)}
        code = subprocess.run(command, cwd=REPO, env=environment).returncode
        found = (
            json.loads(report.read_text()) if report.exists() else {"failed": names, "seconds": {}}
        )
    return code, found["failed"], found["seconds"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--changed", action="store_true", help="only what has changed")
    arguments = parser.parse_args()
    known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    keys = {name: key(name) for name in test_files()}
    stale = [name for name, wanted in keys.items() if known.get(name, {}).get("key") != wanted]
    wanted = chosen(stale, known) if arguments.changed else list(keys)
    if not wanted:
        print(f"tests: all {len(keys)} files as when they last passed")
        return 0
    code, failed, seconds = run(wanted)
    for name in wanted:
        good = code in (0, 1) and name in seconds and name not in failed
        took = round(seconds.get(name, 0.0), 1)
        known[name] = {"key": keys[name] if good else "", "seconds": took}
    if set(stale) <= set(wanted) and not code:
        known["modules"] = {name: imports.module_hash(name) for name in imports.module_names()}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(known, indent=1, sort_keys=True))
    left = len(set(stale) - set(wanted))
    if arguments.changed:
        print(f"tests: {len(wanted)} of {len(stale)} changed files run; {left} left for the next")
    return code


if __name__ == "__main__":
    sys.exit(main())
