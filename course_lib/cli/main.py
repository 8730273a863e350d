"""The ``course`` command: its groups of commands, a file each, and their order in the help."""

import typer

from course_lib.cli import (
    build,
    doctor,
    evaluate,
    experiments,
    export,
    grading,
    pretrain,
    progress,
    talk,
)
from course_lib.cli.errors import Commands

app = typer.Typer(
    cls=Commands,
    help="From own text to a served model; the course's model; learning and teaching.",
    no_args_is_help=True,
    add_completion=False,
)
for group in (pretrain, talk, evaluate, export, build, experiments, doctor, progress, grading):
    group.add(app)

if __name__ == "__main__":
    app()
