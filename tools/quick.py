"""`make quick`: what a contributor runs at each commit; at most three minutes, and no page."""

import sys

from tools.check import LINT
from tools.steps import PYTHON, Step, report, run

STEPS = [
    *LINT,
    Step("the tests of what changed", [PYTHON, "-m", "tools.tests", "--changed"], needed=False),
]


def main() -> int:
    outcomes = run(STEPS)
    return not report(outcomes, STEPS)


if __name__ == "__main__":
    sys.exit(main())
