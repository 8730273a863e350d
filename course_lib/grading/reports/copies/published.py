"""What everyone can read of an exercise: the code that its notebook gives, and its solution."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?P<text>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^:(?P<name>\w+): *(?P<value>.*)$")


@dataclass(frozen=True)
class Published:
    """template: all code that the notebook hands out. solution: the code of the solution."""

    template: str = ""
    solution: str = ""


def published(folder: Path, exercises: Iterable[str]) -> dict[str, Published]:
    """Of the exercises that the folder (solutions/ of the course's repository) has a file for."""
    paths = {name: folder / f"{name}.md" for name in exercises}
    return {
        name: _read(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.is_file()
    }


def _read(text: str) -> Published:
    template, solution = [], []
    for match in CELL.finditer(text):
        lines, tags = match["text"].split("\n"), ""
        while lines and (option := OPTION.match(lines[0])):
            tags += option["value"] if option["name"] == "tags" else ""
            lines = lines[1:]
        (solution if "solution" in tags else template).append("\n".join(lines))
    return Published("\n\n".join(template), "\n\n".join(solution))
