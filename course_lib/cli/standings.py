"""Which exercises are done, tried and open, and the points they gave: what `progress` shows.

The notes are those of the instant checks, which `course_lib.checks` keeps on this machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from course_lib.checks import STEMS, catalogue, progress
from course_lib.checks.exercise import Exercise

DONE, TRIED, OPEN = "done", "tried", "open"
MARKS = {DONE: Text("✓ done", "green"), TRIED: Text("… tried", "yellow"), OPEN: Text("open")}


@dataclass(frozen=True)
class Standing:
    """One exercise and what the notes say of it."""

    exercise: Exercise
    tries: int = 0
    passed: bool = False
    last: str = ""

    @property
    def state(self) -> str:
        return DONE if self.passed else TRIED if self.tries else OPEN

    @property
    def points(self) -> int:
        return self.exercise.points if self.passed else 0


def standings(notes: Mapping[str, dict], stem: str | None = None) -> list[Standing]:
    """Every exercise (of a chapter) with its notes; those of no exercise are left out.

    Raises ValueError for a chapter that there isn't.
    """
    if stem is not None and stem not in STEMS:
        raise ValueError(f"chapter {stem!r}: expected one of {', '.join(STEMS)}")
    found = []
    for name, exercise in catalogue().items():
        if stem is None or name.split("/")[0] == stem:
            note = notes.get(name, {})
            tries, last = note.get("tries", 0), str(note.get("last", ""))
            found.append(Standing(exercise, tries, bool(note.get("passed")), last[:10]))
    return found


def show(console: Console, stem: str | None = None) -> None:
    """The table: a line a chapter, or with a chapter's name a line an exercise."""
    found = standings(progress.read(), stem)
    console.print(_exercises(found) if stem else _chapters(found))
    if not any(one.tries for one in found):
        console.print("Nothing tried yet. A check that you run in a notebook is noted here.")
    ahead = [one.exercise for one in found if one.state != DONE]
    if found and not ahead:
        console.print("All done.")
    elif ahead:
        shortest = min(ahead, key=lambda exercise: exercise.minutes)
        where = f"exercises/{shortest.name}.ipynb"
        console.print(
            f"Shortest of the {len(ahead)} to do: {shortest.title}, about {shortest.minutes} "
            f"minutes ({where})",
            highlight=False,
        )
    console.print(f"Notes: {progress.path()}", highlight=False, soft_wrap=True)


def _chapters(found: list[Standing]) -> Table:
    table = Table("chapter", show_footer=True)
    table.columns[0].footer = "all"
    rows = {stem: [s for s in found if s.exercise.name.startswith(f"{stem}/")] for stem in STEMS}
    for state in (DONE, TRIED, OPEN):
        table.add_column(state, justify="right", footer=str(_count(found, state)))
    table.add_column("points", justify="right", footer=_points(found))
    for stem, own in rows.items():
        table.add_row(stem, *(str(_count(own, s)) for s in (DONE, TRIED, OPEN)), _points(own))
    return table


def _exercises(found: list[Standing]) -> Table:
    table = Table(show_footer=True)
    table.add_column("exercise", footer="all", no_wrap=True)
    table.add_column("")
    table.add_column("kind")
    for name in ("min", "tries"):
        table.add_column(name, justify="right")
    table.add_column("points", justify="right", footer=_points(found))
    table.add_column("last tried")
    for one in found:
        own = one.exercise
        topic, points = own.name.split("/")[1], f"{one.points} of {own.points}"
        sizes = (own.kind, str(own.minutes), str(one.tries or ""), points, Text(one.last))
        table.add_row(topic, MARKS[one.state], *sizes)
    return table


def _count(found: list[Standing], state: str) -> int:
    return sum(one.state == state for one in found)


def _points(found: list[Standing]) -> str:
    return f"{sum(one.points for one in found)} of {sum(one.exercise.points for one in found)}"


def reset(stem: str | None = None) -> int:
    """Forget the notes (of a chapter); how many there were."""
    names = {one.exercise.name for one in standings({}, stem)} if stem else None
    return progress.forget(names)
