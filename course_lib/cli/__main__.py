"""``python -m course_lib.cli``: the ``course`` command."""

from course_lib.cli.main import app

app()
