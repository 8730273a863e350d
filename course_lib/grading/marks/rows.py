"""Small tables that people fill in beside a report: read with every value's place, written whole.

A spreadsheet may have written them: commas, semicolons or tabs, and an apostrophe before a text
that could be a formula (see `lms.cell`).
"""

import csv
import difflib
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.grading.intake.notebook import decoded, plain_text
from course_lib.grading.reports.lms import FORMULA, write_csv


class BadRow(ValueError):
    """A value that can't be. The message names its place, and what would be accepted."""


@dataclass(frozen=True)
class Row:
    """One line of a table. place: the file and the line."""

    place: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def amount(self, column: str, most: float | int) -> float:
        """Points from 0 to most. Raises BadRow."""
        return amount(self[column], most, f"{self.place}: {column}")

    def one_of(self, column: str, known: Collection[str], what: str) -> str:
        """A name that is known. Raises BadRow, with those that are most like it."""
        return one_of(self[column], known, what, f"{self.place}: {column}")


def amount(text: str, most: float | int, where: str) -> float:
    """A number from 0 to most, a comma for a point allowed. Raises BadRow."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise BadRow(f"{where} is {text!r}, expected a number from 0 to {most:g}")
    return value


def one_of(name: str, known: Collection[str], what: str, where: str) -> str:
    """The name. Raises BadRow where it isn't known; the message has those that are most like it."""
    if name in known:
        return name
    like = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)[:5]
    shown = ", ".join(plain_text(one, 60) for one in like)
    rest = f" (of {len(known)})" if len(known) > len(like) else ""
    raise BadRow(f"{where} is {plain_text(name, 60)!r}, expected {what}: {shown or 'none'}{rest}")


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """The lines of a table. Raises BadRow where a column is missing, OSError without a file."""
    text, _ = decoded(path.read_bytes())
    lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    head = lines.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(lines), delimiter=max(",;\t", key=head.count))
    try:
        found = [c.strip().casefold() for c in reader.fieldnames or []]
        if missing := [c for c in columns if c not in found]:
            raise BadRow(f"{path}: no column {missing[0]!r}, expected {', '.join(columns)}")
        reader.fieldnames = found
        rows = [
            (f"{path.name}, line {reader.line_num}", {k: _plain(v) for k, v in row.items() if k})
            for row in reader
        ]
    except csv.Error as error:
        raise BadRow(f"{path}: {error}, expected a CSV table") from error
    return [Row(place, cells) for place, cells in rows if any(cells.values())]


def _plain(value: object) -> str:
    text = str(value or "").strip()
    guarded = text.startswith("'") and text[1:].lstrip().startswith(FORMULA)
    return text[1:] if guarded else text


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The table, written whole; what people wrote into it isn't cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, [list(columns), *rows], limit=csv.field_size_limit())
