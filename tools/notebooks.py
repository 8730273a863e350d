"""The notebooks that people open, made from the MyST sources.

    python -m tools.notebooks            write them
    python -m tools.notebooks --check    fail where one has drifted from its source

Beside each page book/<stem>/<page>.md that holds code: the same as an output-free .ipynb, in plain
markdown. From each solutions/<stem>/<topic>.md: exercises/<stem>/<topic>.ipynb, which stops where
the solution starts, and whose cells for the answer and the check carry their exercise's name, for
`course grade` and for nbgrader. Both begin with a cell that sets Colab up.
"""

import argparse
import hashlib
import json
import re
import sys
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from pybtex.database import parse_file

from course_lib.checks import catalogue
from tools.plain import Place, plain
from tools.sources import REPO, Source, project, repository_url, sources, tags

SOLUTION = re.compile(r"^## Solution\b", re.MULTILINE)
CHECKED = re.compile(r"^check\.\w+\(", re.MULTILINE)
# What the checks import and Colab's image lacks: a test holds them to it.
EXERCISE_NEEDS = ("jaxtyping", "wadler-lindig")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def target_of(source: Source) -> Path:
    """The notebook that is made from a source."""
    if source.kind == "book":
        return source.path.with_suffix(".ipynb")
    return REPO / "exercises" / f"{source.name}.ipynb"


def render(source: Source) -> str:
    """The text of that notebook's file."""
    cells = source.notebook().cells
    if source.kind == "solutions":
        cells = _before_solution(cells, source)
    place = Place(REPO, source.page, repository_url(), citations())
    made = [_setup_cell(source.kind)]
    for cell in cells:
        if cell.cell_type == "markdown":
            if text := plain(cell.source, place):
                made.append(nbformat.v4.new_markdown_cell(text))
        else:
            made.append(nbformat.v4.new_code_cell(cell.source, metadata=_metadata(cell, source)))
    _number(made)
    _name_twice_used(made)
    notebook = nbformat.v4.new_notebook(cells=made, metadata=METADATA)
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _before_solution(cells: list[NotebookNode], source: Source) -> list[NotebookNode]:
    kept = []
    for cell in cells:
        if cell.cell_type == "markdown" and (found := SOLUTION.search(cell.source)):
            if not any("stub" in tags(c) for c in kept):
                raise ValueError(f"{source.page}: no cell tagged `stub` before ## Solution")
            before = cell.source[: found.start()].strip()
            return kept + ([nbformat.v4.new_markdown_cell(before)] if before else [])
        if "solution" in tags(cell):
            raise ValueError(f"{source.page}: a cell tagged `solution` stands before ## Solution")
        kept.append(cell)
    raise ValueError(f"{source.page}: no heading ## Solution")


def _setup_cell(kind: str) -> NotebookNode:
    """A few lines that install course_lib where it is missing and leave torch as it is.

    A page of the book needs the course's libraries too. An exercise needs none that Colab lacks but
    jaxtyping, so there --no-deps leaves everything of Colab's as it was, and takes seconds. Where
    the code can't be had, pip keeps silent and one sentence says what to do.
    """
    here = f"git+{repository_url()}"
    absent = '__import__("importlib.util").util.find_spec("course_lib") is None'
    unfetched = (
        f"The course's code could not be fetched from {repository_url()}: is there a network, and "
        "may you read that repository? Then run this cell again."
    )
    if kind == "solutions":
        wanted = " ".join([*EXERCISE_NEEDS, f'"{project()["name"]} @ {here}"'])
        lines = [
            f"if {absent}:  # on Colab",
            f"    %pip install -qqq --no-deps {wanted}",
            "try: from course_lib.page import setup; setup.say()",
            f"except ImportError: print({unfetched!r})",
        ]
    else:
        lines = [
            "import importlib.util  # on Colab, fetch the course's code; its torch stays as it is",
            'if importlib.util.find_spec("course_lib") is None:',
            f'    %pip install -qqq "{project()["name"]}[colab] @ {here}"',
            f"    importlib.util.find_spec('course_lib') or print({unfetched!r})",
        ]
    return nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["colab-setup"]})


def _metadata(cell: NotebookNode, source: Source) -> dict:
    """Tags; on an exercise's two cells also whose they are, as `course grade` and nbgrader read."""
    kept = sorted(tags(cell) - {"exercise-only", "stub"})
    found: dict = {"tags": kept} if kept else {}
    if source.kind != "solutions" or source.name not in catalogue():
        return found
    answers = "stub" in tags(cell)
    if not answers and not ("exercise-only" in tags(cell) and re.search(CHECKED, cell.source)):
        return found
    role = "answer" if answers else "check"
    found["course"] = {"exercise": source.name, "role": role}
    found["nbgrader"] = {
        "grade": not answers,
        "grade_id": f"{source.name.replace('/', '-')}-{role}",
        "locked": not answers,
        "schema_version": 3,
        "solution": answers,
        "task": False,
    }
    if not answers:
        found["nbgrader"]["points"] = catalogue()[source.name].points
    return found


def _name_twice_used(cells: list[NotebookNode]) -> None:
    """nbgrader wants every grade_id once in a notebook; only the first check is worth points."""
    seen: dict[str, int] = {}
    for cell in cells:
        if marks := cell.metadata.get("nbgrader"):
            count = seen[marks["grade_id"]] = seen.get(marks["grade_id"], 0) + 1
            if count > 1:
                marks["grade_id"] += f"-{count}"
                if "points" in marks:
                    marks["points"] = 0


def _number(cells: list[NotebookNode]) -> None:
    """Ids that follow from the content, so that a notebook changes only where its source did."""
    seen: dict[str, int] = {}
    for cell in cells:
        base = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        count = seen[base] = seen.get(base, 0) + 1
        cell["id"] = base if count == 1 else f"{base}-{count}"


@cache
def citations() -> dict[str, tuple[str, str]]:
    """Bibliography key -> ("Vaswani et al., 2017", address)."""
    path = REPO / "book" / "references.bib"
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        return {}
    found = {}
    for key, entry in parse_file(str(path)).entries.items():
        people = [" ".join(p.prelast_names + p.last_names) for p in entry.persons.get("author", [])]
        who = people[0] if people else entry.fields.get("title", key)
        if len(people) == 2:
            who += f" and {people[1]}"
        elif len(people) > 2:
            who += " et al."
        fields = entry.fields
        address = fields.get("url", "")
        if not address and "doi" in fields:
            address = f"https://doi.org/{fields['doi']}"
        if not address and "eprint" in fields:
            address = f"https://arxiv.org/abs/{fields['eprint']}"
        who = re.sub(r"[{}\\]", "", who)
        found[key] = (f"{who}, {fields['year']}" if "year" in fields else who, address)
    return found


def orphans(wanted: set[Path]) -> list[Path]:
    """Notebooks that no source makes any more."""
    found = [*(REPO / "book").rglob("*.ipynb"), *(REPO / "exercises").rglob("*.ipynb")]
    return sorted(p for p in found if p not in wanted and ".ipynb_checkpoints" not in p.parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    wanted = {target_of(source): source for source in sources()}
    wrong = []
    for target, source in wanted.items():
        try:
            text = render(source)
        except ValueError as error:
            wrong.append(str(error))
            continue
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        if check:
            wrong.append(f"{target.relative_to(REPO)} has drifted from {source.page}")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            print(f"wrote {target.relative_to(REPO)}")
    for target in orphans(set(wanted)):
        if check:
            wrong.append(f"{target.relative_to(REPO)} has no source")
        else:
            target.unlink()
            print(f"removed {target.relative_to(REPO)}: it has no source")
    if wrong:
        print("\n".join([*wrong, "mend it with: make notebooks"] if check else wrong))
        return 1
    print(f"notebooks: {len(wanted)} as their sources say")
    return 0


if __name__ == "__main__":
    sys.exit(main())
