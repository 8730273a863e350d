"""What the commands print: words from outside stay as they are, whatever they look like to Rich.

The consoles read no markup and no emoji codes; colour is a style beside the text, never in it.
"""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

console = Console(markup=False, emoji=False)
errors = Console(markup=False, emoji=False, highlight=False, stderr=True)


def mark(ok: bool, word: str = "ok") -> Text:
    """Green where something is as it should be, else a red no."""
    return Text(word, "green") if ok else Text("no", "red")


def bar(counted: ProgressColumn | None = None) -> Progress:
    """A progress bar with a description, a percentage or what else is ``counted``, and the time."""
    counted = counted or TextColumn("{task.percentage:>3.0f}%", markup=False)
    description = TextColumn("{task.description}", markup=False)
    return Progress(description, BarColumn(), counted, TimeElapsedColumn(), console=console)
