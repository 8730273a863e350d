"""Run the steps of a command one after another, and say what each took."""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tools.sources import REPO

PYTHON = sys.executable
BUILD_ALL = [PYTHON, "-m", "course_lib.cli", "build", "all"]


@dataclass(frozen=True)
class Step:
    """A command, what it is for, and whether the later ones make sense without it."""

    title: str
    command: list[str]
    needed: bool = True


@dataclass(frozen=True)
class Outcome:
    step: Step
    code: int
    seconds: float


def run(steps: list[Step]) -> list[Outcome]:
    """Run the steps in order; a failed `needed` step ends it, another doesn't."""
    outcomes = []
    for number, step in enumerate(steps, 1):
        print(f"\n── {number}/{len(steps)} {step.title}", flush=True)
        began = time.monotonic()
        code = subprocess.run(step.command, cwd=REPO, env=_environment()).returncode
        outcomes.append(Outcome(step, code, time.monotonic() - began))
        if code and step.needed:
            break
    return outcomes


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPO), "PYTHONUNBUFFERED": "1"}


def report(outcomes: list[Outcome], steps: list[Step]) -> bool:
    """Print what passed and what each step took; whether all passed."""
    table = Table("step", "seconds", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for outcome in outcomes:
        mark = f"FAILED ({outcome.code})" if outcome.code else "passed"
        table.add_row(outcome.step.title, f"{outcome.seconds:.0f}", mark)
    for step in steps[len(outcomes) :]:
        table.add_row(step.title, "", "not reached")
    total = sum(outcome.seconds for outcome in outcomes)
    table.add_row("in all", f"{total:.0f}", "")
    print()
    Console(width=100).print(table)
    unit = 2**30 if sys.platform == "darwin" else 2**20
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    print(f"largest process: {peak:.1f} GB")
    return len(outcomes) == len(steps) and not any(outcome.code for outcome in outcomes)
