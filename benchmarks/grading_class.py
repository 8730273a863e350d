"""A class graded in one run of `course grade`: 300 students, five exercises each.

    python benchmarks/grading_class.py [--students 300] [--workers 2] [--keep FOLDER]

Most hand in the course's solutions, the others a stub, a wrong answer or half a line; no two the
same text, so that every answer is run, with three secret seeds. Then the same class again with
three hostile hand-ins in its midst: one whose values and errors keep the judge busy, one that
takes all the time, memory and processes there are, one whose files are hard to read. No honest
mark may move. Memory is what all processes hold for themselves, looked at twice a second.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import jupytext

from course_lib.checks import catalogue
from course_lib.grading.sandbox.pool import resident

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "architecture/rope",
    "data/minhash",
    "pretraining/adamw",
    "alignment/dpo_loss",
    "deployment/paged_cache",
)
WRONG = "def FUNCTION(*arguments, **keywords):\n    return arguments[0]\n"
HALF = "def FUNCTION(x:\n"
JUDGE = (
    "def FUNCTION(*a, **k):\n    return set(range(49_000))\n",
    "def FUNCTION(*a, **k):\n    return {i * (2**61 - 1) for i in range(2_000)}\n",
    "def FUNCTION(*a, **k):\n    raise KeyError('9' * 8_000_000)\n",
    "def FUNCTION(*a, **k):\n    return [10**4_200] * 9_000\n",
    "def FUNCTION(*a, **k):\n    return ['(' * 70_000] * 100\n",
)
MACHINE = (
    "def FUNCTION(*a, **k):\n    while True:\n        pass\n",
    "import os\ndef FUNCTION(*a, **k):\n    while True:\n        os.fork()\n",
    "def FUNCTION(*a, **k):\n    return b'x' * (9 << 30)\n",
    "import os\ndef FUNCTION(*a, **k):\n    for i in range(99):\n"
    "        open(f'/tmp/{i}', 'wb').write(b'0' * (9 << 20))\n",
    "import threading, time\ndef FUNCTION(*a, **k):\n    while True:\n"
    "        threading.Thread(target=time.sleep, args=(99,)).start()\n",
)
READER = (
    "x = 0x" + "f" * 300_000 + "\n",
    "".join(f"a{i} = " for i in range(20_000)) + "0\n",
    "x = " + "[" * 90_000 + "]" * 90_000 + "\n",
    "y = 1" + " " * 300_000 + "?\n",
    "; ".join(f"n{i} = n{i - 1}" for i in range(1, 20_000)) + "\n",
)


def solution(name: str) -> str:
    """The answer's cell, as the course solves it."""
    cells = jupytext.read(ROOT / "solutions" / f"{name}.md").cells
    return "\n".join(c.source for c in cells if "solution" in c.metadata.get("tags", []))


def setup(name: str) -> list[str]:
    """The notebook's other code."""
    cells = jupytext.read(ROOT / "solutions" / f"{name}.md").cells
    mine = {"stub", "solution"}
    code = (c for c in cells if c.cell_type == "code")
    return [c.source for c in code if not mine & set(c.metadata.get("tags", []))]


def notebook(name: str, answer: str, more: tuple[str, ...] = ()) -> str:
    """What is handed in for one exercise."""
    metadata = {"course": {"exercise": name, "role": "answer"}}
    cells = [(source, {}) for source in (*SETUP[name], *more)]
    cells.insert(1, (answer, metadata))
    data = [
        {"cell_type": "code", "source": source, "metadata": about, "outputs": []}
        for source, about in cells
    ]
    return json.dumps({"cells": data, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def write(folder: Path, student: str, answers: list[str], more: tuple = ()) -> None:
    """One student's folder: a notebook an exercise."""
    (folder / student).mkdir(parents=True)
    for name, answer in zip(NAMES, answers, strict=True):
        source = f"# {student}\n{answer.replace('FUNCTION', EXERCISES[name].answer)}\n"
        text = notebook(name, source, more)
        (folder / student / f"{name.split('/')[1]}.ipynb").write_text(text)


def honest(i: int) -> list[str]:
    """The five answers of student i."""
    answers = [SOLUTION[name] for name in NAMES]
    at = i // 10 % len(NAMES)
    if i % 10 > 6:
        stub = "def FUNCTION(*arguments):\n    raise NotImplementedError"
        answers[at] = (stub, WRONG, HALF)[i % 10 - 7]
    return answers


def hostile(folder: Path, students: int) -> None:
    """Three more, whose names put them among the others."""
    for at, answers in enumerate((JUDGE, MACHINE)):
        write(folder, f"s{(at + 1) * students // 4:03}x", list(answers))
    write(folder, f"s{3 * students // 4:03}x", [SOLUTION[name] for name in NAMES], READER)


def grade(folder: Path, out: Path, workers: int) -> dict:
    """One run of the command: seconds, seconds of processors, the most memory it held."""
    secret = out.parent / "secret"
    secret.write_bytes(b"the benchmark's own secret")
    line = [sys.executable, "-m", "course_lib.cli", "grade", folder, "--out", out]
    line += ["--workers", workers, "--secret-file", secret, "--exercises", ",".join(NAMES)]
    before, began, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    with (out.parent / f"{out.name}.txt").open("w") as said:
        process = subprocess.Popen([str(part) for part in line], stdout=said, stderr=said)
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.5)
    if process.returncode:
        raise RuntimeError(f"course grade: exit status {process.returncode}, see {said.name}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return {"seconds": time.monotonic() - began, "cpu": cpu, "peak": peak, "own": after.ru_maxrss}


def marks(out: Path) -> dict[str, list[str]]:
    """student -> the points of each exercise."""
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["student"]: [row[name] for name in NAMES] for row in rows}


def show(title: str, found: dict, count: int) -> None:
    """The figures of one run."""
    print(f"{title}: {count} hand-ins of {len(NAMES)} answers")
    print(f"  {found['seconds']:8.0f} s in all, {found['seconds'] / count:.2f} s a hand-in")
    print(f"  {found['cpu']:8.0f} s of processors, {found['cpu'] / count:.2f} s a hand-in")
    print(f"  {found['peak'] / 2**20:8.0f} MB at most, all processes together", flush=True)


def main(students: int, workers: int, base: Path) -> None:
    """Both runs, and what moved between them."""
    print(f"{workers} workers, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}", flush=True)
    folder = base / "submissions"
    for i in range(students):
        write(folder, f"s{i:03}", honest(i))
    show("honest", grade(folder, base / "honest", workers), students)
    hostile(folder, students)
    show("three hostile among them", grade(folder, base / "mixed", workers), students + 3)
    before, after = marks(base / "honest"), marks(base / "mixed")
    moved = {s: (m, after[s]) for s, m in before.items() if after[s] != m}
    print(f"  sums of the honest: {dict(Counter(sum(map(float, m)) for m in before.values()))}")
    print(f"  the hostile got {[after[s] for s in sorted(set(after) - set(before))]}")
    print(f"  honest hand-ins whose marks moved: {len(moved)} {moved or ''}")
    print(f"  load at the end: {os.getloadavg()[1]:.1f}")
    sys.exit(1 if moved else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    EXERCISES = catalogue()
    SOLUTION, SETUP = ({name: f(name) for name in NAMES} for f in (solution, setup))
    with tempfile.TemporaryDirectory() as scratch:
        main(given.students, given.workers, given.keep or Path(scratch))
