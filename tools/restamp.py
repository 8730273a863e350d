"""Renew the stamp of a recorded experiment whose code has changed without changing a number.

    python -m tools.restamp scaling/grid …        those experiments; without names, all stale ones
    python -m tools.restamp --seconds 120 …       with a larger sample of each

The first runs of an experiment are made twice on this machine, with the code that recorded it and
with today's, for so many core-seconds. Every file of figures that either left must be there in
both, equal to the bit, but for what it says of time. Then, and only then, results/<name>.json gets
the hash of today's code, and says against which commit and by how many runs it was compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from course_lib import experiments
from tools.sources import REPO

TIMES = {"core_seconds", "seconds"}  # what a run says of its own cost
# Runs in either tree, so it asks no more of course_lib than every edition has.
SAMPLE = """
import sys, time, torch
from pathlib import Path
from course_lib import experiments
name, work, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)
began = time.process_time()
class Enough(BaseException): pass
def progress(fraction, text):
    if time.process_time() - began > seconds and any(work.glob("**/*.json")): raise Enough
wanted = experiments.get(name)
Path(work, "code").write_text(wanted.code)
try: wanted.run(wanted.config, work, progress)
except Enough: pass
"""


def recorded_by(name: str) -> str:
    """The commit that last wrote the experiment's result."""
    path = experiments.path_of(name).relative_to(REPO)
    log = ["git", "log", "-1", "--format=%H", "--", str(path)]
    return subprocess.run(log, cwd=REPO, check=True, capture_output=True, text=True).stdout.strip()


def sample(tree: Path, name: str, seconds: float) -> tuple[str, list[str]]:
    """A tree's code hash of an experiment, and the figures of its first runs, without times."""
    home = os.environ.get("COURSE_HOME", str(REPO / ".course"))
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(tree), "COURSE_HOME": home}
        command = [sys.executable, "-c", SAMPLE, name, folder, str(seconds)]
        subprocess.run(command, cwd=tree, env=environment, check=True)
        files = sorted(Path(folder).rglob("*.json"))
        figures = [without_times(json.loads(path.read_text())) for path in files]
        code = Path(folder, "code").read_text()
    return code, [json.dumps(one) for one in figures]


def without_times(figures: object) -> object:
    """The same figures without the entries that say how long they took."""
    if isinstance(figures, dict):
        return {k: without_times(v) for k, v in sorted(figures.items()) if k not in TIMES}
    return [without_times(v) for v in figures] if isinstance(figures, list) else figures


def restamp(name: str, seconds: float) -> str:
    """Compare, and renew the stamp where nothing differs. Returns what was found, in a line."""
    wanted, path, commit = experiments.get(name), experiments.path_of(name), recorded_by(name)
    record = json.loads(path.read_text())
    if record["code"] == wanted.code:
        return f"{name}: its stamp is today's"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", tree, commit], check=True)
        try:
            code, then = sample(tree, name, seconds)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)
    again = f"run: course experiment {name}"
    if code != record["code"]:
        return f"{name}: {commit[:12]} isn't the code that recorded it; {again}"
    _, now = sample(REPO, name, seconds)
    shared = min(len(then), len(now))  # one sample may have ended a run earlier
    if not shared:
        return f"{name}: it leaves no figures run by run; {again}"
    fewer, more = (then, now) if len(then) == shared else (now, then)
    differ = sum(figures not in more for figures in fewer)
    if differ:
        return f"{name}: {differ} of {shared} runs differ; {again}"
    record["code"] = wanted.code
    record["equal_to"] = {"commit": commit[:12], "runs": shared}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return f"{name}: {shared} runs equal to the bit with {commit[:12]}'s code; stamped"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="as scaling/grid; the stale ones if left out")
    parser.add_argument("--seconds", type=float, default=60.0, help="core-seconds a sample")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    lines = [restamp(name, arguments.seconds) for name in arguments.names or experiments.stale()]
    for line in lines:
        console.print(line, markup=False)
    return int(any("run: course" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
