"""`course build` and `course artifacts`: the stages of the lineage."""

from typing import Annotated

import typer
from rich.table import Table

from course_lib.cli.output import bar, console
from course_lib.cli.panels import OURS


def add(app: typer.Typer) -> None:
    """Hang the commands into the `course` command."""
    app.command(
        rich_help_panel=OURS, short_help="Build a stage of the model, and all that it needs."
    )(build)
    app.command(rich_help_panel=OURS, short_help="What is built: size, time, figures, parents.")(
        artifacts
    )


def build(name: Annotated[str, typer.Argument(help="a stage, all, or published")] = "all"):
    """Build a stage of the lineage and all that it needs; what is there already is kept.

    published: fetches SmolLM2-135M-Instruct by pip (93 MB), which no stage needs.
    """
    from course_lib import lineage
    from course_lib.artifacts import ensure

    if name == "published":
        wanted = lineage.published_recipes()
    else:
        stages = lineage.STAGES if name == "all" else (name,)
        wanted = [lineage.recipe(stage) for stage in stages]
    with bar() as progress:
        for recipe in wanted:
            stage = recipe.name
            task = progress.add_task(stage, total=1.0)

            def report(fraction: float, text: str, task=task) -> None:
                progress.update(task, completed=fraction, description=text)
                if not console.is_terminal:
                    console.print(f"{text} ({fraction:.0%})")

            done = ensure(recipe, report)
            text = f"{stage}: {done.manifest['wall_seconds']:.0f} s to build"
            progress.update(task, completed=1.0, description=text)


def artifacts():
    """What exists: size, time, figures and parents of each stage."""
    from course_lib import lineage
    from course_lib.artifacts import Damaged, load

    table = Table("stage", "key", "MB", "built in", "parents", "figures")
    stages = [lineage.recipe(name) for name in lineage.STAGES]
    for wanted in [*stages, lineage.published_recipes()[1]]:
        name = wanted.name
        try:
            found = load(wanted)
        except Damaged as damage:
            table.add_row(name, wanted.key[:8], "damaged", "", "", str(damage))
            continue
        if found is None:
            table.add_row(
                name,
                wanted.key[:8],
                "not built",
                "",
                "",
                f"course build {name}",
            )
            continue
        figures = ", ".join(f"{key} {value:.4g}" for key, value in found.figures.items())
        parents = ", ".join(found.manifest["parents"])
        seconds = f"{found.manifest['wall_seconds']:.0f} s"
        size = f"{found.bytes / 2**20:.1f}"
        table.add_row(name, wanted.key[:8], size, seconds, parents, figures)
    console.print(table)
