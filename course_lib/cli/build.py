"""`course build` and `course artifacts`: the stages of the lineage."""

from typing import Annotated

import typer
from rich.table import Table

from course_lib.cli.output import bar, console


def add(app: typer.Typer) -> None:
    """Hang the commands into the `course` command."""
    app.command()(build)
    app.command()(artifacts)


def build(name: Annotated[str, typer.Argument(help="a stage of the lineage, or all")] = "all"):
    """Build a stage of the lineage and all that it needs; what is there already is kept."""
    from course_lib import lineage
    from course_lib.artifacts import ensure

    wanted = lineage.STAGES if name == "all" else (lineage.recipe(name).name,)
    with bar() as progress:
        for stage in wanted:
            task = progress.add_task(stage, total=1.0)

            def report(fraction: float, text: str, task=task) -> None:
                progress.update(task, completed=fraction, description=text)
                if not console.is_terminal:
                    console.print(f"{text} ({fraction:.0%})")

            done = ensure(lineage.recipe(stage), report)
            text = f"{stage}: {done.manifest['wall_seconds']:.0f} s to build"
            progress.update(task, completed=1.0, description=text)


def artifacts():
    """What exists: size, time, figures and parents of each stage."""
    from course_lib import lineage
    from course_lib.artifacts import Damaged, load

    table = Table("stage", "key", "MB", "built in", "parents", "figures")
    for name in lineage.STAGES:
        wanted = lineage.recipe(name)
        try:
            found = load(wanted)
        except Damaged as damage:
            table.add_row(name, wanted.key[:8], "damaged", "", "", str(damage))
            continue
        if found is None:
            table.add_row(name, wanted.key[:8], "not built", "", "", f"course build {name}")
            continue
        figures = ", ".join(f"{key} {value:.4g}" for key, value in found.figures.items())
        parents = ", ".join(found.manifest["parents"])
        seconds = f"{found.manifest['wall_seconds']:.0f} s"
        size = f"{found.bytes / 2**20:.1f}"
        table.add_row(name, wanted.key[:8], size, seconds, parents, figures)
    console.print(table)
