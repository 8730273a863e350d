"""`make test`: everything that holds the course to its word, the quick checks first."""

import sys

from tools.book import STAMP, fingerprint
from tools.steps import BUILD_ALL, PYTHON, Step, report, run

PYTEST = [PYTHON, "-m", "pytest", "-q", "--no-header"]
LINT = [
    Step("ruff", [PYTHON, "-m", "ruff", "check", "."], needed=False),
    Step("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."], needed=False),
    Step("the import table", [*PYTEST, "tests/test_imports.py"], needed=False),
]
STEPS = [
    *LINT,
    Step("generated notebooks", [PYTHON, "-m", "tools.notebooks", "--check"], needed=False),
    Step("the map of the book", [PYTHON, "-m", "tools.draw_map", "--check"], needed=False),
    Step("environment.yml", [PYTHON, "-m", "tools.environment", "--check"], needed=False),
    Step("requirements.lock", [PYTHON, "-m", "tools.lock", "--check"], needed=False),
    Step("the model: course build all", BUILD_ALL),
    Step("parity with the libraries", [PYTHON, "-m", "tools.parity"], needed=False),
    Step("tests", [PYTHON, "-m", "tools.tests"], needed=False),
    Step("chapters and solutions", [PYTHON, "-m", "tools.execute", "--strict"], needed=False),
    Step("the rendered book", [PYTHON, "-m", "tools.build"]),
    Step("the book in a browser", [*PYTEST, "-n", "2", "tests/test_book.py"], needed=False),
]


def main() -> int:
    outcomes = run(STEPS)
    passed = report(outcomes, STEPS)
    if passed:
        STAMP.write_text(fingerprint())  # all that `make book` does has been done
    good = sum(outcome.code == 0 for outcome in outcomes)
    print(f"{good} passed, {len(STEPS) - good} failed")
    return not passed


if __name__ == "__main__":
    sys.exit(main())
