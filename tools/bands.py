"""Which bands hold a claim, and which hold nothing: every recorded figure against its band.

A figure that a sentence rests on has, beside its band, what the nearest wrong run gives and how it
was obtained (`wrong` and `how` in `book/<stem>/expected.yml`): a swap of two arms, a stop that came
early, a switch that does nothing. `faults` says where such a band would let the wrong run pass.

    python -m tools.bands                 all figures: value, band, width over value, wrong run
    python -m tools.bands --open          those without a wrong run that are wider than their value
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]


class Entry(NamedTuple):
    """A figure's name, its band under the cpu profile, and its nearest wrong run."""

    name: str
    band: tuple[float, float] | None
    wrong: float | None
    how: str


def entries(book: Path = ROOT / "book") -> Iterator[Entry]:
    """All figures that the book's expected.yml files name."""
    for path in sorted(book.glob("*/expected.yml")):
        for name, about in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items():
            band = about.get("cpu")
            yield Entry(
                name, tuple(band) if band else None, about.get("wrong"), about.get("how", "")
            )


def faults(entry: Entry) -> list[str]:
    """Why the band holds nothing: the wrong run lies in it, or is nearer than the band is wide.

    The distance is measured from the middle of the band.
    """
    if entry.wrong is None:
        return [f"{entry.name}: `how` without `wrong`"] if entry.how else []
    if entry.band is None:
        return [f"{entry.name}: a wrong run, and no band under the cpu profile"]
    low, high = entry.band
    found = []
    if not entry.how:
        found.append(f"{entry.name}: says not how the wrong run was obtained")
    if low <= entry.wrong <= high:
        found.append(f"{entry.name}: the wrong run's {entry.wrong} passes {low} … {high}")
    distance = abs(entry.wrong - (low + high) / 2)
    if high - low > distance:
        found.append(f"{entry.name}: {high - low:.3g} wide, the wrong run {distance:.3g} away")
    return found


def values(build: Path = ROOT / "_build") -> dict[str, float]:
    """What the last run of each page recorded."""
    found = {}
    for path in build.glob("figures/*/*.json"):
        figures = json.loads(path.read_text(encoding="utf-8"))
        found |= {name: figure["value"] for name, figure in figures.items()}
    return found


def row(entry: Entry, value: float | None) -> str:
    """One figure as a line; a band's width is given in values."""
    shown = "not recorded" if value is None else f"{value:.4g}"
    width = ""
    if entry.band and value:
        width = f"{(entry.band[1] - entry.band[0]) / abs(value):.2f}"
    band = f"{entry.band[0]:g} … {entry.band[1]:g}" if entry.band else "no band"
    wrong = "–" if entry.wrong is None else f"{entry.wrong:g} ({entry.how})"
    return f"{entry.name:42} {shown:>12}  {band:22} {width:>8}  {wrong}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--open", action="store_true", help="wide bands without a wrong run")
    parser.add_argument("--build", type=Path, default=ROOT / "_build")
    wanted, known = parser.parse_args(), values(parser.parse_args().build)
    print(f"{'figure':42} {'value':>12}  {'band':22} {'width/v':>8}  nearest wrong run")
    for entry in entries():
        value = known.get(entry.name)
        wide = entry.band and value and entry.band[1] - entry.band[0] > abs(value)
        if not wanted.open or (wide and entry.wrong is None):
            print(row(entry, value))
    for fault in (fault for entry in entries() for fault in faults(entry)):
        print("FAULT", fault)


if __name__ == "__main__":
    main()
