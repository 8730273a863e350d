"""Exercise notebooks as they are handed out: marks, set-up cell, what they hide, what they need."""

import ast
import contextlib
import importlib.util
import io
import json
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from course_lib.checks import catalogue
from tools.notebooks import target_of
from tools.sources import REPO, sources, tags

EXERCISES = {source.name: source for source in sources("solutions") if source.name in catalogue()}
by_exercise = pytest.mark.parametrize("name", EXERCISES)
# What course_lib needs and Colab's image lacks: an exercise installs none of it.
NOT_IN_COLAB = ("datasketch", "ftfy", "lm_eval", "optuna", "trl", "beartype", "hypothesis")


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(str(target_of(EXERCISES[name])), 4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@by_exercise
def test_the_answer_and_the_check_carry_the_exercise_s_name(name):
    exercise, cells = catalogue()[name], code(read(name))
    marked = [cell for cell in cells if cell.metadata.get("course", {}).get("exercise") == name]
    answers = [cell for cell in marked if cell.metadata.course.role == "answer"]
    checks = [cell for cell in marked if cell.metadata.course.role == "check"]
    assert len(answers) == 1 and f"def {exercise.answer}(" in answers[0].source
    assert checks and all("check." in cell.source for cell in checks)
    assert cells.index(answers[0]) < cells.index(checks[0])
    for constant, values in exercise.constants.items():
        assert f"{constant} = " in answers[0].source, f"the stub sets no {constant} = {values[0]}"


@by_exercise
def test_nbgrader_can_release_and_collect_it(name):
    marked = [c.metadata.nbgrader for c in code(read(name)) if "nbgrader" in c.metadata]
    solutions = [mark for mark in marked if mark["solution"]]
    assert len(solutions) == 1 and not solutions[0]["grade"] and not solutions[0]["locked"]
    assert sum(mark.get("points", 0) for mark in marked) == catalogue()[name].points
    ids = [mark["grade_id"] for mark in marked]
    assert len(set(ids)) == len(ids) and all(i.replace("-", "").isidentifier() for i in ids)
    assert all(mark["schema_version"] == 3 and mark["task"] is False for mark in marked)


@by_exercise
def test_the_set_up_cell_is_short_and_leaves_colab_s_packages_alone(name):
    setup = code(read(name))[0]
    assert "colab-setup" in setup.metadata.tags and setup.source.count("\n") <= 3
    assert "find_spec" in setup.source and "--no-deps" in setup.source
    assert "torch" not in setup.source


def test_the_set_up_cell_installs_nothing_where_the_code_is_and_says_one_line_each_time():
    text = TransformerManager().transform_cell(code(read(next(iter(EXERCISES))))[0].source)
    for _ in range(2):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(text, {})  # there is no get_ipython here: a call of pip would be a NameError
        assert said.getvalue().count("\n") == 1
        assert "course_lib" in said.getvalue() and "torch" in said.getvalue()


def test_without_a_network_the_set_up_cell_says_one_sentence(monkeypatch):
    """pip is there and fetches nothing, as where the repository is private."""
    text = TransformerManager().transform_cell(code(read(next(iter(EXERCISES))))[0].source)
    asked = []

    class Shell:
        def run_line_magic(self, *line) -> None:
            asked.append(line)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "course_lib.page", None)  # an import of it is an ImportError
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(text, {"get_ipython": Shell})
    assert len(asked) == 1 and "-qqq" in asked[0][1]
    assert said.getvalue().count("\n") == 1
    assert "network" in said.getvalue() and "run this cell again" in said.getvalue()


def bodies(text: str, names: set[str] | None = None) -> set[str]:
    """The bodies of a source's functions (of these names), all written in one way.

    Those of one short line are too common to tell anything.
    """
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (names is None or node.name in names):
            body = [s for s in node.body if not _is_text(s)]
            if len(body) > 1 or len(ast.unparse(body)) > 60:
                found.add(ast.unparse(body))
    return found


def secrets(name: str) -> set[str]:
    """The bodies of the solution, the reference, the mistakes that are known, and the mutants.

    Their helpers don't count: some are given to the learner.
    """
    stem, topic = name.split("/")
    exercise, mutants = catalogue()[name], REPO / "solutions" / stem / "mutants" / f"{topic}.py"
    check = REPO / "course_lib" / "checks" / stem / f"_{topic}.py"
    space = runpy.run_path(str(mutants))
    answers = [exercise.reference, *exercise.mistakes.values(), *space["WRONG"], *space["RIGHT"]]
    names = {getattr(answer, "__name__", "") for answer in answers} | {exercise.answer}
    texts = [path.read_text(encoding="utf-8") for path in (mutants, check)]
    texts += [c.source for c in EXERCISES[name].notebook().cells if "solution" in tags(c)]
    return set().union(*(bodies(TransformerManager().transform_cell(t), names) for t in texts))


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@by_exercise
def test_no_solution_mutant_or_reference_is_anywhere_in_it(name):
    notebook, source, hidden = read(name), EXERCISES[name], secrets(name)
    given = "\n".join(c.source for c in code(notebook)[1:])
    given = TransformerManager().transform_cell(given)
    if catalogue()[name].kind == "diagnose":  # the faulty function may be one of the mistakes
        [stub] = [c.source for c in source.notebook().cells if "stub" in tags(c)]
        hidden -= bodies(stub)
    assert not bodies(given) & hidden
    whole = json.dumps(notebook)
    assert "## Solution" not in whole and "WRONG = {" not in whole and "mutants" not in whole
    assert not any({"solution", "stub"} & set(c.metadata.get("tags", ())) for c in notebook.cells)
    assert all(not c.outputs and not c.get("attachments") for c in code(notebook))


def imports(notebook: nbformat.NotebookNode) -> str:
    """The import statements of a notebook, a line each."""
    found = []
    for cell in code(notebook)[1:]:
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
        nodes = (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))
        found += [ast.unparse(node) for node in nodes]
    return "\n".join(found)


# In an interpreter of its own: only the unpacked wheel, and nothing that Colab lacks.
ALONE = """
import sys
wheel, missing = sys.argv[1], set(sys.argv[2].split())
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(f"{name} is not in Colab's image")
sys.meta_path.insert(0, Absent())
sys.path.insert(0, wheel)
import course_lib
assert course_lib.__file__.startswith(wheel), course_lib.__file__
exec(sys.stdin.read(), {})
from course_lib.checks import catalogue
for exercise in catalogue().values():
    report = exercise.examine(exercise.bound(exercise.reference), seed=0)
    assert report.passed, report
print(len(catalogue()), "exercises")
"""


def test_the_wheel_alone_holds_all_that_the_exercises_need(tmp_path):
    """Built, unpacked and imported with no checkout on the path; each check runs its reference."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("course_lib", "pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        subprocess.run(["cp", "-r", str(REPO / name), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        + ["--no-index", "-w", str(tmp_path), str(source)],
        check=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        packed.extractall(tmp_path / "wheel")
    held = {n for n in names if n.startswith("course_lib/") and n.endswith(".py")}
    wanted = {p.relative_to(REPO).as_posix() for p in (REPO / "course_lib").rglob("*.py")}
    assert held == wanted
    assert not [n for n in names if n.startswith(("solutions", "tests", "exercises"))]
    asked = "\n".join(sorted({imports(read(name)) for name in EXERCISES}))
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(tmp_path / "wheel"), " ".join(NOT_IN_COLAB)],
        input=asked,
        capture_output=True,
        text=True,
        cwd=Path("/"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == f"{len(catalogue())} exercises"
