"""Recorded experiments: runs too long for a page, kept as JSON with all that made them.

A chapter's ``course_lib/<stem>/experiments.py`` marks functions with ``@experiment("stem/name")``.
``course experiment stem/name`` runs one and writes ``results/<stem>/<name>.json`` with config,
seeds, hash of the code, device, date and core-seconds. A page draws it through ``result``.
"""

import datetime
import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import course_lib
from course_lib import imports, runtime
from course_lib.artifacts import Progress

_registry: dict[str, "Experiment"] = {}


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


def experiment(name: str, config: Any) -> Callable:
    """Register the decorated function as the experiment ``name`` ("stem/topic")."""

    def register(run: Callable) -> Callable:
        _registry[name] = Experiment(name=name, config=config, run=run)
        return run

    return register


def names() -> list[str]:
    """Every experiment of the book, found in the chapters' experiments modules."""
    for package in pkgutil.iter_modules(course_lib.__path__):
        spec = f"course_lib.{package.name}.experiments"
        if package.ispkg and importlib.util.find_spec(spec):
            importlib.import_module(spec)
    return sorted(_registry)


def get(name: str) -> Experiment:
    """The experiment of that name. Raises ValueError that lists the known ones."""
    known = names()
    if name not in known:
        raise ValueError(f"{name!r} is no experiment: expected one of {', '.join(known)}")
    return _registry[name]


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
        self.began = runtime.cpu_seconds()

    def save(self) -> float:
        total = self.earlier + runtime.cpu_seconds() - self.began
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
        if not path.exists() or json.loads(path.read_text())["code"] != _registry[name].code:
            found.append(name)
    return found
