"""`course experiment`: the recorded experiments of the book."""

from typing import Annotated

import typer

from course_lib.cli.output import bar, console
from course_lib.cli.panels import OURS


def add(app: typer.Typer) -> None:
    """Hang the command into the `course` command."""
    app.command(rich_help_panel=OURS, short_help="Run a recorded experiment, or list them.")(
        experiment
    )


def experiment(
    name: Annotated[str | None, typer.Argument(help="as scaling/finite_facts")] = None,
    stale: Annotated[bool, typer.Option(help="list those whose code has changed")] = False,
):
    """Run a recorded experiment; without a name, list them."""
    from course_lib import experiments

    if stale or name is None:
        for line in experiments.stale() if stale else experiments.names():
            console.print(line)
        return
    with bar() as progress:
        task = progress.add_task(name, total=1.0)
        record = experiments.run(
            name,
            lambda fraction, text: progress.update(task, completed=fraction, description=text),
        )
    console.print(f"{experiments.path_of(name)}: {record['core_seconds']:.0f} core-seconds")
