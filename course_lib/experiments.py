"""Recorded experiments: runs too long for a page, kept as JSON with all that made them.

``course_lib/studies/<stem>/<name>.py`` marks its function with ``@experiment(config=…)``, and
``course experiment stem/name`` runs it and writes ``results/<stem>/<name>.json`` with config,
seeds, hash of the code, device, date and core-seconds. A page draws it through ``result``.
"""

import datetime
import importlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from course_lib import imports, measure, runtime
from course_lib.artifacts import Progress

STUDIES = "course_lib.studies"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """``run(config, work, progress)`` returns JSON-ready data; ``work`` keeps resumable state."""

    name: str
    config: Any
    run: Callable[[Any, Path, Progress], dict]

    @property
    def code(self) -> str:
        """Hash of the code that the experiment runs."""
        stop = ["course_lib.runtime", "course_lib.experiments", "course_lib.lineage"]
        return imports.closure_hash([self.run.__module__], stop=stop)


def experiment(*, config: Any) -> Callable:
    """Mark a study's function as its experiment; the module's path is the experiment's name."""

    def mark(run: Callable) -> Callable:
        name = run.__module__.removeprefix(f"{STUDIES}.").replace(".", "/")
        run.experiment = Experiment(name=name, config=config, run=run)
        return run

    return mark


def once(path: Path, make: Callable[[], Any], *, cost: bool = False) -> Any:
    """What ``make`` gave, now or in an earlier go: JSON-ready figures, kept whole or not at all.

    cost: whether the figures, a dict then, also say their ``core_seconds``.
    """
    if not path.exists():
        began = measure.cpu_seconds()
        figures = make()
        if cost:
            figures = figures | {"core_seconds": round(measure.cpu_seconds() - began, 2)}
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(figures))
        os.replace(partial, path)
    return json.loads(path.read_text())


def names() -> list[str]:
    """Every experiment of the book, by the modules that mark one."""
    folder = imports.module_path(STUDIES).parent
    found = [p for p in folder.glob("*/*.py") if "\n@experiment(" in p.read_text(encoding="utf-8")]
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in found)


def get(name: str) -> Experiment:
    """The experiment of that name. Raises ValueError that lists the known ones."""
    if name not in names():
        raise ValueError(f"{name!r} is no experiment: expected one of {', '.join(names())}")
    module = importlib.import_module(f"{STUDIES}.{name.replace('/', '.')}")
    marked = (getattr(value, "experiment", None) for value in vars(module).values())
    return next(found for found in marked if isinstance(found, Experiment) and found.name == name)


def path_of(name: str) -> Path:
    """Where the experiment's result is kept: ``results/`` of the checkout."""
    root = runtime.repository()
    if root is None:
        raise ValueError("results/ lives in the course's repository: run this from a checkout")
    return root / "results" / f"{name}.json"


def run(name: str, progress: Progress) -> dict:
    """Run the experiment and write its result. Interrupted, it goes on at the next call."""
    wanted = get(name)
    work = runtime.home() / "experiments" / f"{name.replace('/', '-')}-{wanted.code}"
    work.mkdir(parents=True, exist_ok=True)
    spent = _Spent(work / "core_seconds")

    def counted(fraction: float, text: str) -> None:
        spent.save()
        progress(fraction, text)

    data = wanted.run(wanted.config, work, counted)
    record = {
        "experiment": name,
        "config": asdict(wanted.config),
        "code": wanted.code,
        "device": str(runtime.device()),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "core_seconds": round(spent.save(), 1),
        "data": data,
    }
    path = path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return record


class _Spent:
    """Core-seconds of an experiment over all its goes: the earlier ones' are kept in a file."""

    def __init__(self, path: Path):
        self.path = path
        self.earlier = float(path.read_text()) if path.exists() else 0.0
        self.began = measure.cpu_seconds()

    def save(self) -> float:
        total = self.earlier + measure.cpu_seconds() - self.began
        self.path.write_text(str(total))
        return total


def result(name: str) -> dict:
    """The recorded result. Raises ValueError with the command that makes it where there is none."""
    path = path_of(name)
    if not path.exists():
        raise ValueError(f"{path}: not recorded yet; run: course experiment {name}")
    return json.loads(path.read_text())


def label(record: dict) -> str:
    """One line that says what a recorded figure is: device, date, core-seconds."""
    return (
        f"recorded {record['date']} on {record['device']}, torch {record['torch']}, "
        f"{record['core_seconds']:.0f} core-seconds (course experiment {record['experiment']})"
    )


def stale() -> list[str]:
    """Experiments without a result, or whose code has changed since it was recorded."""
    found = []
    for name in names():
        path = path_of(name)
        if not path.exists() or json.loads(path.read_text())["code"] != get(name).code:
            found.append(name)
    return found
