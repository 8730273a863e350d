"""requirements.lock: the exact versions of this environment that our dependencies need.

    python -m tools.lock            write it from the environment that runs this
    python -m tools.lock --check    fail where pyproject.toml asks for something it lacks

It is flat and holds for Python 3.11 to 3.13: a package that only some of them need carries a
marker. torch is pinned without its build (`+cpu`, `+cu130`), and what it needs for CUDA isn't
listed: pip adds that by itself where the build wants it.
"""

import argparse
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

REPO = Path(__file__).resolve().parent.parent
TARGET = REPO / "requirements.lock"
PYTHONS = ("3.11", "3.12", "3.13")
BUILD = ["pip", "setuptools", "wheel"]  # so that the package installs without build isolation
HEADER = """\
# The versions that the book was built with: pip install -r requirements.lock
# Made by `make lock` from pyproject.toml and the environment; valid for Python 3.11 to 3.13.
"""


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for, the extras of the book included."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in ("book", "peers", "grade", "dev"):
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines + BUILD]


def closure(python: str) -> tuple[set[str], set[str]]:
    """(names needed under that Python, names needed but not installed here)."""
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": python + ".0",
    }
    seen: set[tuple[str, str]] = set()
    missing: set[str] = set()
    todo = [(r, "") for r in wanted()]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate(environment | {"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted_extra in ("", *requirement.extras):
            if (name, wanted_extra) in seen:
                continue
            seen.add((name, wanted_extra))
            try:
                requires = distribution(name).requires or []
            except PackageNotFoundError:
                missing.add(name)
                continue
            todo += [(Requirement(line), wanted_extra) for line in requires]
    return {name for name, _ in seen} - missing, missing


def render() -> tuple[str, set[str]]:
    """The lock's text, and the names it could not find a version for."""
    needed = {python: closure(python) for python in PYTHONS}
    missing = set().union(*(absent for _, absent in needed.values()))
    lines = []
    for name in sorted(set().union(*(names for names, _ in needed.values()))):
        version = distribution(name).version.split("+")[0]
        where = [python for python in PYTHONS if name in needed[python][0]]
        lines.append(f"{name}=={version}{_marker(where)}")
    return HEADER + "\n".join(lines) + "\n", missing


def too_new(text: str) -> list[str]:
    """Locked versions that the first patch release of a supported Python refuses."""
    found = []
    for requirement in _lines(text):
        asked = distribution(requirement.name).metadata.get("Requires-Python")
        for python in PYTHONS:
            applies = not requirement.marker or requirement.marker.evaluate(
                {"python_version": python}
            )
            if asked and applies and not SpecifierSet(asked).contains(f"{python}.0"):
                found.append(f"{requirement} refuses Python {python}.0: it asks for {asked}")
    return found


def _lines(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def _marker(pythons: list[str]) -> str:
    if len(pythons) == len(PYTHONS):
        return ""
    if pythons[0] == PYTHONS[0]:
        return f' ; python_version <= "{pythons[-1]}"'
    return f' ; python_version >= "{pythons[0]}"'


def locked() -> dict[str, str]:
    """name -> version of the lock that applies to this Python."""
    return {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement in _lines(TARGET.read_text())
        if not requirement.marker or requirement.marker.evaluate()
    }


def problems() -> list[str]:
    """Dependencies of pyproject.toml that the lock leaves out or contradicts."""
    have = locked()
    found = []
    for requirement in wanted():
        version = have.get(canonicalize_name(requirement.name))
        if version is None:
            found.append(f"requirements.lock lacks {requirement.name}")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"requirements.lock has {requirement.name} {version}, not {requirement}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with pyproject.toml only")
    if parser.parse_args().check:
        wrong = problems()
        print(
            "\n".join([*wrong, "mend it with: make lock"]) if wrong else "requirements.lock: sound"
        )
        return bool(wrong)
    text, missing = render()
    if refused := too_new(text):
        print("\n".join([*refused, "install older versions into .venv, then make lock again"]))
        return 1
    TARGET.write_text(text)
    print(f"{TARGET.name}: {len(text.splitlines()) - 2} packages")
    if missing:
        print("needed on other machines, left to pip:", ", ".join(sorted(missing)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
