"""`course progress`: which exercises are done, tried and open."""

from pathlib import Path
from typing import Annotated

import typer

from course_lib.cli.output import console
from course_lib.cli.panels import CLASS


def add(app: typer.Typer) -> None:
    """Hang the command into the `course` command."""
    app.command(rich_help_panel=CLASS, short_help="What you have done, tried and not begun.")(
        progress
    )


def progress(
    chapter: Annotated[str | None, typer.Argument(help="as sft: its exercises")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="forget what was tried")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="don't ask before forgetting")] = False,
    keep: Annotated[Path | None, typer.Option(help="write it into a file, to take along")] = None,
    bring: Annotated[Path | None, typer.Option(help="add what such a file holds")] = None,
):
    """Which exercises you have done, tried and not begun, and the points so far."""
    from course_lib.checks import progress as notes
    from course_lib.cli import standings

    if bring is not None:
        console.print(f"{notes.bring(bring)} exercises brought from {bring}", highlight=False)
    if keep is not None:
        console.print(f"{notes.keep(keep)} exercises kept in {keep}", highlight=False)
        return
    if not reset:
        standings.show(console, chapter)
        return
    standings.standings({}, chapter)  # a wrong name is said before anything is asked
    if not yes:
        typer.confirm(f"Forget what was tried in {chapter or 'all chapters'}?", abort=True)
    console.print(f"{standings.reset(chapter)} exercises forgotten")
