"""Bands that a page's figures must fall in, and the "you should see" boxes drawn from them.

``book/<stem>/expected.yml`` holds, by figure name, what it is, its unit, a band for each profile
and where the band comes from. ``record`` checks a figure against its band: outside it, a test run
(``COURSE_STRICT=1``) fails and a reader's run warns.
"""

import html
import json
import math
import os
import warnings
from functools import cache

import yaml

from course_lib import runtime
from course_lib.profile import current


class OutsideBand(AssertionError):
    """A figure fell outside the band that its chapter promises."""


@cache
def _bands(stem: str) -> dict:
    root = runtime.repository()
    path = root / "book" / stem / "expected.yml" if root else None
    if path is None or not path.exists():
        return {}
    return yaml.safe_load(path.read_text()) or {}


def _entry(name: str) -> dict | None:
    page = runtime.page()
    if page is None:
        raise ValueError(f"{name!r} was recorded outside a page: call runtime.start first")
    bands = _bands(page.split("/")[0])
    if bands and name not in bands:
        raise ValueError(f"{name!r} has no entry in book/{page.split('/')[0]}/expected.yml")
    return bands.get(name)


def record(name: str, value: float) -> float:
    """Keep a figure of this page and check it against its band. Returns the value.

    Raises OutsideBand in a strict run, ValueError where the figure isn't finite or has no entry.
    """
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"{name} = {value}: a figure must be finite")
    entry = _entry(name)
    band = (entry or {}).get(current().name)
    _keep(name, value, entry, band)
    if band and not band[0] <= value <= band[1]:
        message = f"{name} = {value:.4g}, outside the band {band[0]} … {band[1]} of this profile"
        if os.environ.get("COURSE_STRICT") == "1":
            raise OutsideBand(message)
        warnings.warn(message, stacklevel=2)
    return value


def _keep(name: str, value: float, entry: dict | None, band: list | None) -> None:
    path = runtime.build_dir() / "figures" / f"{runtime.page()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = json.loads(path.read_text()) if path.exists() else {}
    about = {key: (entry or {}).get(key, "") for key in ("what", "unit", "source")}
    figures[name] = {"value": value, "band": band, **about}
    path.write_text(json.dumps(figures, indent=1))


class Box:
    """A "you should see" note: the band of each named figure under the present profile."""

    def __init__(self, names: tuple[str, ...]):
        self.rows = [(name, _entry(name) or {}) for name in names]

    def _lines(self) -> list[str]:
        lines = []
        for name, entry in self.rows:
            band = entry.get(current().name)
            span = f"{band[0]:g} to {band[1]:g}" if band else "no band under this profile yet"
            unit = f" {entry['unit']}" if entry.get("unit") and band else ""
            lines.append(f"{entry.get('what', name)}: {span}{unit}")
        return lines

    def __repr__(self) -> str:
        return "You should see\n" + "\n".join(f"  {line}" for line in self._lines())

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        return (
            '<div class="admonition note you-should-see"><p class="admonition-title">'
            f"You should see</p><ul>{items}</ul></div>"
        )


def box(*names: str) -> Box:
    """The "you should see" box of these figures, drawn from expected.yml."""
    return Box(names)
