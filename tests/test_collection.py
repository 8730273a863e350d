"""The list of tests depends on the source alone: not on the hour, nor on the order of sets.

Several workers run the suite only where all of them collect the same names in the same order.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
COLLECT = [sys.executable, "-m", "pytest", "-q", "--no-header", "--collect-only"]
COLLECT += ["-o", "addopts=--import-mode=importlib", "tests"]  # without the hook that checks shapes
# Python imports a sitecustomize before all else: this one adds a year and some hours to the clock.
# (datetime has one of its own, which compiled libraries rely on: it is left as it is.)
LATER = """
import time

SHIFT = 366 * 86_400 + 12_345
shown, shown_ns, local, utc = time.time, time.time_ns, time.localtime, time.gmtime
time.time = lambda: shown() + SHIFT
time.time_ns = lambda: shown_ns() + SHIFT * 10**9
time.localtime = lambda seconds=None: local(time.time() if seconds is None else seconds)
time.gmtime = lambda seconds=None: utc(time.time() if seconds is None else seconds)
"""


def start(**environment: str) -> subprocess.Popen:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.Popen(
        COLLECT,
        cwd=REPO,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def collected(process: subprocess.Popen) -> list[str]:
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    return [line for line in said.splitlines() if line.startswith("tests/")]


@pytest.fixture
def later(tmp_path) -> dict[str, str]:
    """The environment of a process that lives a year later, in Tokyo."""
    (tmp_path / "sitecustomize.py").write_text(LATER)
    path = os.pathsep.join([str(tmp_path), str(REPO), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path, "TZ": "Asia/Tokyo"}


def test_the_clock_of_the_second_list_is_another(later):
    ask = [sys.executable, "-c", "import time; print(time.localtime().tm_year)"]
    year = subprocess.run(ask, env=os.environ | later, capture_output=True, text=True, check=True)
    assert int(year.stdout) > time.localtime().tm_year


def test_the_same_tests_are_collected_at_any_hour_and_with_any_hash_seed(later):
    both = [start(PYTHONHASHSEED="1"), start(PYTHONHASHSEED="2", **later)]
    now, then = (collected(process) for process in both)
    assert len(now) > 1000
    apart = [(a, b) for a, b in zip(now, then, strict=False) if a != b]
    assert not apart, "\n".join(f"{a}\n{b}" for a, b in apart[:10])
    assert len(now) == len(then)
