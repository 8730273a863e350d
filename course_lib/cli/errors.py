"""The one place where a command's error is printed."""

from typing import Any

import typer
from typer.core import TyperGroup

from course_lib.cli.output import errors


class Commands(TyperGroup):
    """The `course` command. What is the user's to mend is a line on the error stream, and code 2.

    That is ValueError (a name or a number that can't be) and OSError (a file that isn't there, a
    full disk). Anything else is a fault of ours, and keeps its traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # nobody reads us any more: `course artifacts | head`
        except (ValueError, OSError) as error:
            errors.print(str(error) or type(error).__name__, style="red", soft_wrap=True)
            raise typer.Exit(2) from error
