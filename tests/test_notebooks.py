"""What every page, exercise and solution promises, read from their sources."""

import ast
import re
from functools import cache

import nbformat
import pytest

from course_lib import imports
from course_lib.checks import STEMS
from tools.notebooks import SOLUTION, target_of
from tools.sources import REPO, Source, is_notebook, sources, tags

ALL = sources()
CHAPTERS = [source for source in ALL if source.kind == "book" and source.stem in STEMS]
SOLUTIONS = [source for source in ALL if source.kind == "solutions"]
NOT_ON_PAGES = ("course_lib.checks", "course_lib.grading", "course_lib.studies", "course_lib.cli")
# A page may name these: they are Python's or the page's own words, not course_lib's.
SHARED_NAMES = {"p", "w", "main", "name", "names"}

by_page = pytest.mark.parametrize("source", ALL, ids=lambda s: s.page)
by_chapter = pytest.mark.parametrize("source", CHAPTERS, ids=lambda s: s.name)
by_solution = pytest.mark.parametrize("source", SOLUTIONS, ids=lambda s: s.name)


def read(source: Source) -> nbformat.NotebookNode:
    """The notebook made from a source."""
    target = target_of(source)
    assert target.exists(), f"{target.relative_to(REPO)} isn't there: make notebooks"
    return nbformat.read(str(target), 4)


@cache
def exported() -> dict[str, str]:
    """name -> module of every public function and class of course_lib.

    Those of checks don't count: a check is named after what the learner writes. Nor do those of
    experiments, which are pages of another kind, and of the grader, which no page is about.
    """
    found = {}
    for module in imports.module_names():
        if module.startswith(NOT_ON_PAGES):
            continue
        tree = ast.parse(imports.module_path(module).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                found[node.name] = module
    return found


def definitions(code: str) -> set[str]:
    """Names of the functions and classes that a page defines at its top level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(code).body if isinstance(node, kinds)}


def text_of(source: Source) -> str:
    return "\n".join(c.source for c in source.notebook().cells if c.cell_type == "markdown")


def split_solution(source: Source) -> tuple[list, list]:
    """The cells before and from the heading ## Solution on; a text cell may hold both."""
    cells = source.notebook().cells
    for i, cell in enumerate(cells):
        if cell.cell_type == "markdown" and (found := SOLUTION.search(cell.source)):
            halves = cell.source[: found.start()], cell.source[found.start() :]
            before, after = (nbformat.v4.new_markdown_cell(half) for half in halves)
            return [*cells[:i], before], [after, *cells[i + 1 :]]
    raise AssertionError(f"{source.page} has no heading ## Solution")


@pytest.mark.parametrize("source", [s for s in ALL if s.kind == "book"], ids=lambda s: s.page)
def test_pages_import_and_never_redefine(source):
    again = definitions(source.code()) & set(exported()) - SHARED_NAMES
    assert not again, f"choose other names: {[(n, exported()[n]) for n in sorted(again)]}"


@by_page
def test_no_page_names_a_device(source):
    named = re.findall(r"""["'](?:cuda|cpu|mps)(?::\d+)?["']|\.cuda\(""", source.code())
    assert not named, f"{named}: say runtime.device() instead"


@by_chapter
def test_a_page_begins_with_runtime_start(source):
    cells = [cell.source for cell in source.notebook().cells if cell.cell_type == "code"]
    assert f'runtime.start("{source.name}")' in cells[0]


PARTS = {
    "predict first": r"\bPredict\b",
    "the code, from the library": r"\{literalinclude\}",
    "parity with the library": r"(?i)^#+ .*(parity|proven|equal|same|library|libraries|reference)",
    "what breaks": r"(?i)^#+ .*(break|wrong|fail|hack)",
    "exercises": r"(?i)^#+ .*exercise",
    "where to read on": r"(?i)^#+ .*(read on|further|next)",
}


@by_chapter
@pytest.mark.parametrize("part", PARTS)
def test_a_page_has_the_shape_of_every_page(source, part):
    if source.name == "data/world" and part != "predict first":
        pytest.skip("the world's page is a reference for the corpus, with no library twin")
    assert re.search(PARTS[part], text_of(source), re.MULTILINE), f"{source.page} lacks: {part}"


@by_chapter
def test_a_page_draws_a_figure_and_records_a_figure(source):
    code = source.code()
    assert "figure(" in code, "no picture"
    assert "record(" in code, "no figure of this page is held to a band"


@pytest.mark.parametrize("stem", STEMS)
def test_every_chapter_has_a_page_an_exercise_and_its_check(stem):
    assert [s for s in CHAPTERS if s.stem == stem], f"book/{stem} has no page with code"
    assert [s for s in SOLUTIONS if s.stem == stem], f"solutions/{stem} is empty"
    assert imports.module_path(f"course_lib.checks.{stem}"), (
        f"course_lib/checks/{stem}.py is missing"
    )


@by_solution
def test_a_solution_has_a_stub_a_check_hints_and_a_solution(source):
    before, after = split_solution(source)
    assert any("stub" in tags(cell) for cell in before), "no cell tagged stub"
    assert any("exercise-only" in tags(c) and "check." in c.source for c in before), "no check"
    assert sum(cell.source.count("{dropdown}") for cell in before) >= 1, "no hint"
    code = [cell for cell in after if cell.cell_type == "code"]
    assert code and all("solution" in tags(cell) for cell in code), "solution cells without a tag"
    assert any("check." in cell.source for cell in code), "the solution isn't checked"


@by_solution
def test_an_exercise_gives_nothing_of_its_solution_away(source):
    before, after = split_solution(source)
    shown = {line.strip() for cell in before for line in cell.source.split("\n")}
    hidden = {line.strip() for cell in after for line in cell.source.split("\n")} - shown
    hidden = {line for line in hidden if len(line) > 12}
    assert hidden, "nothing to hide: is this a solution?"
    exercise = read(source)
    leaked = [line for line in hidden for cell in exercise.cells if line in cell.source]
    assert not leaked
    broken = "\n*Diagnose · " in source.text  # there, the stub is a whole function with a fault
    assert broken or any("NotImplementedError" in cell.source for cell in exercise.cells)


@by_page
def test_notebooks_are_output_free_and_set_colab_up(source):
    notebook = read(source)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    first = code[0].source
    assert first.count("\n") <= 3 and "%pip install" in first and "torch==" not in first
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    raw = [
        c.source for c in notebook.cells if re.search(r"\{[a-z:-]+\}`|^```\{|^:::", c.source, re.M)
    ]
    assert not raw, "MyST left in the notebook"


def test_every_page_of_the_contents_that_runs_is_found():
    found = {s.page for s in ALL}
    for path in (REPO / "book").rglob("*.md"):
        runs = "{code-cell}" in path.read_text(encoding="utf-8")
        assert runs <= is_notebook(path.read_text(encoding="utf-8")), f"{path}: no front matter"
        if runs:
            assert path.relative_to(REPO).as_posix() in found
