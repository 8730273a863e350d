"""`make book`: the model, the chapters, the rendered book; only what has changed."""

import hashlib
import os
import sys
from pathlib import Path

from course_lib.profile import current
from tools.progress import summary
from tools.sources import REPO, sources
from tools.steps import BUILD_ALL, PYTHON, Step, report, run
from tools.store import BUILD, kept

INDEX = BUILD / "html" / "index.html"
STAMP = BUILD / "book.stamp"
READ = ("book", "course_lib", "solutions", "results", "tests/parity", "tests/conftest.py", "tools")
READ += ("_config.yml", "pyproject.toml", "requirements.lock")
STEPS = [
    Step("the model: course build all", BUILD_ALL),
    Step("parity with the libraries", [PYTHON, "-m", "tools.parity"], needed=False),
    Step("chapters and solutions", [PYTHON, "-m", "tools.execute"]),
    Step("the rendered book", [PYTHON, "-m", "tools.build"]),
]


def fingerprint() -> str:
    """Size and time of every file that the book comes from, and what the store holds."""
    digest = hashlib.sha256(os.environ.get("COURSE_PROFILE", "").encode())
    for name in READ:
        root = REPO / name
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and path.suffix not in {".ipynb", ".pyc"}:
                stat = path.stat()
                digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    home = Path(os.environ.get("COURSE_HOME", REPO / ".course"))
    for path in sorted(home.glob("*/*")) if home.is_dir() else ():
        digest.update(f"{path}\n".encode())
    return digest.hexdigest()


def costs() -> str:
    """What every chapter took when it last ran."""
    profile = current().name
    return summary([(page.page, kept(page, profile).read()) for page in sources()])


def main() -> int:
    if INDEX.exists() and STAMP.exists() and STAMP.read_text() == fingerprint():
        print(costs())
        print(f"nothing has changed; the book: {INDEX}")
        return 0
    STAMP.unlink(missing_ok=True)
    outcomes = run(STEPS)
    passed = report(outcomes, STEPS)
    print()
    print(costs())
    if INDEX.exists() and len(outcomes) == len(STEPS) and not outcomes[-1].code:
        print(f"the book: {INDEX}")
    if passed:
        STAMP.write_text(fingerprint())
    return not passed


if __name__ == "__main__":
    sys.exit(main())
