"""A pytest plugin for `tools.tests`: which test files passed whole, and the seconds each took.

It stands alone, since pytest loads it before the hook that checks course_lib's types. Where the
environment names a file in COURSE_TESTS_REPORT, the outcome goes there.
"""

import json
import os
from pathlib import Path

import pytest

FAILED: set[str] = set()
SECONDS: dict[str, float] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = report.nodeid.split("::")[0]
    SECONDS[name] = SECONDS.get(name, 0.0) + report.duration
    if report.failed:
        FAILED.add(name)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        FAILED.add(report.nodeid.split("::")[0])


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = os.environ.get("COURSE_TESTS_REPORT")
    if target and not hasattr(session.config, "workerinput"):  # not in a worker of xdist
        Path(target).write_text(json.dumps({"failed": sorted(FAILED), "seconds": SECONDS}))
