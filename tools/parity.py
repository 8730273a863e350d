"""Run the parity tests, where they or the code they compare have changed since they last passed.

    python -m tools.parity

Their rows, from which the appendix *Proven equal* is drawn, lie in _build/parity and, once all
have passed, in .course/executed/parity.json too.
"""

import hashlib
import json
import shutil
import subprocess
import sys

from course_lib import imports
from tools.keys import files_hash
from tools.sources import REPO
from tools.store import BUILD, STORE

TESTS = REPO / "tests" / "parity"
ROWS = BUILD / "parity"
KEPT = STORE / "parity.json"


def key() -> str:
    """A hash of the parity tests, of the course_lib code that they import, and of the lock."""
    tests = sorted(TESTS.rglob("*.py"))
    modules: set[str] = set()
    for path in tests:
        modules |= imports.imports_of(path.read_text(encoding="utf-8"), path.name)
    files = [*tests, REPO / "tests" / "conftest.py", REPO / "requirements.lock"]
    parts = files_hash(files) + imports.closure_hash(modules)
    return hashlib.sha256(parts.encode()).hexdigest()


def main() -> int:
    wanted = key()
    known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if known.get("key") == wanted:
        ROWS.mkdir(parents=True, exist_ok=True)
        for name, row in known["rows"].items():
            if not (ROWS / name).exists():
                (ROWS / name).write_text(row)
        print(f"parity: {len(known['rows'])} rows, all as when they last passed")
        return 0
    shutil.rmtree(ROWS, ignore_errors=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--no-header", str(TESTS)]
    code = subprocess.run(command, cwd=REPO).returncode
    rows = {path.name: path.read_text() for path in sorted(ROWS.glob("*.json"))}
    print(f"parity: {len(rows)} rows")
    if code == 0:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps({"key": wanted, "rows": rows}))
    return code


if __name__ == "__main__":
    sys.exit(main())
