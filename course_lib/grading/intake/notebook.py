"""A notebook or .py file as code cells. Nothing in it is run, and nothing in it is trusted.

Read are the sources of code cells and the name that the course's own metadata gives them. Outputs,
ids, kernels and other metadata may say anything: they are not looked at.
"""

import codecs
import json
import re
from dataclasses import dataclass, replace

MAX_BYTES = 20 << 20
MAX_CODE = 400_000  # characters of code in one file: a long notebook of ours has 20,000
MARKS = (  # the longer mark first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
PERCENT = re.compile(r"^# %%.*$", re.MULTILINE)  # where a .py file marks its cells
HALF = re.compile("[\ud800-\udfff]")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class Unreadable(ValueError):
    """A file whose cells can't be read. The message is for the student."""


@dataclass(frozen=True)
class Cell:
    """One code cell: where it stands, its source, and the exercise that it answers, if it says."""

    number: int
    source: str
    exercise: str | None = None


def plain_text(text: object, limit: int = 2_000) -> str:
    """Text that came from a student, fit to be written anywhere: no control characters, not long.

    Colours of terminals, marks that turn the direction of writing, and halves of surrogate pairs
    go; what cuts it short is said.
    """
    text = ANSI.sub("", str(text)[: 4 * limit]).replace("\r\n", "\n")
    text = CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= limit else f"{text[:limit]} … (cut)"


def cells_of(name: str, data: bytes) -> tuple[list[Cell], list[str]]:
    """The code cells of a .ipynb or .py file, and what is odd about it, in words.

    Raises Unreadable with what the student can do about it.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable(
            f"it has more than {MAX_BYTES:,} bytes: clear the outputs of all cells, save, and hand "
            "it in again"
        )
    text, problems = decoded(data)
    if name.lower().endswith(".py"):
        cells = [Cell(i, part) for i, part in enumerate(PERCENT.split(text), start=1)]
    else:
        notebook = _json(text)
        cells, odd = _notebook_cells(notebook)
        problems += odd
    length = sum(len(cell.source) for cell in cells)
    if length > MAX_CODE:
        raise Unreadable(f"it holds {length:,} characters of code, at most {MAX_CODE:,} are read")
    cells = [_whole(cell, problems) for cell in cells if cell.source.strip()]
    return cells, problems


def decoded(data: bytes) -> tuple[str, list[str]]:
    """The text of a file, by its mark, as UTF-8 or as Latin-1; and what is odd about that."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), []
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["it is not UTF-8: it was read as Latin-1"]


def _json(text: str) -> dict:
    try:
        notebook = json.loads(text)
    except RecursionError:
        raise Unreadable("it is no notebook: its JSON is nested too deep") from None
    except ValueError as error:
        start = "it is empty" if not text.strip() else f"its JSON breaks off ({error})"
        raise Unreadable(f"it is no notebook: {start}. Save it again, as .ipynb") from None
    if not isinstance(notebook, dict):
        raise Unreadable(f"it is no notebook: its JSON is a {type(notebook).__name__}")
    return notebook


def _notebook_cells(notebook: dict) -> tuple[list[Cell], list[str]]:
    sheets = notebook.get("worksheets")  # notebooks of version 3, from before 2015
    if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict):
        raw = sheets[0].get("cells")
    else:
        raw = notebook.get("cells")
    if not isinstance(raw, list):
        raise Unreadable("it is no notebook: it has no list of cells")
    cells, ids = [], []
    for number, cell in enumerate(raw, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        ids.append(str(cell.get("id", number)))
        cells.append(Cell(number, _source(cell), _named(cell.get("metadata"))))
    problems = [] if len(set(ids)) == len(ids) else ["two of its cells have the same id"]
    language = _language(notebook.get("metadata"))
    if language != "python":
        problems.append(f"its kernel speaks {plain_text(language, 40)!r}: it was read as Python")
    return cells, problems


def _source(cell: dict) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _whole(cell: Cell, problems: list[str]) -> Cell:
    """The cell without halves of surrogate pairs, which no encoding can write."""
    if not (found := HALF.search(cell.source)):
        return cell
    half = f"U+{ord(found.group()):04X}"
    problems.append(
        f"cell {cell.number} holds half a character ({half}): read as \N{REPLACEMENT CHARACTER}"
    )
    return replace(cell, source=HALF.sub("\N{REPLACEMENT CHARACTER}", cell.source))


def _named(metadata: object) -> str | None:
    """The exercise that the cell's metadata says it answers."""
    course = metadata.get("course") if isinstance(metadata, dict) else None
    if not isinstance(course, dict) or course.get("role") != "answer":
        return None
    name = course.get("exercise")
    return name if isinstance(name, str) else None


def _language(metadata: object) -> str:
    for key in ("kernelspec", "language_info"):
        part = metadata.get(key) if isinstance(metadata, dict) else None
        if isinstance(part, dict):
            value = part.get("language") or (part.get("name") if key == "language_info" else None)
            if isinstance(value, str) and value:
                return "python" if "python" in value.lower() else value
    return "python"
