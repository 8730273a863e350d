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

app = typer.Typer(cls=Commands, help="Build and use the course's model.", no_args_is_help=True)
for group in (build, experiments, pretrain, talk, evaluate, export, doctor, progress, grading):
    group.add(app)

if __name__ == "__main__":
    app()
