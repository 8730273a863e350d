"""An exercise as somebody meets it in Colab: by hand, since it installs gigabytes.

    python -m tools.colab_trial FOLDER [--python python3.12] [--only architecture/rope …]

Makes FOLDER/env with the versions of Colab's image (colab.txt) and no checkout beside it, builds
the wheel, and runs exercise notebooks in it, set-up cell included: the same cell, but for the
address of the course, which becomes the wheel's. Each runs twice: with the stub, whose check must
answer, and with the solution in the stub's place, whose check must pass. Says what pip changed
(nothing, if all is well), and the seconds that a learner waits: for the set-up cell, and from the
first import to the check's first answer.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import nbformat

from course_lib.checks import catalogue
from tools.notebooks import target_of
from tools.sources import REPO, project, sources, tags

COLAB = Path(__file__).with_name("colab.txt")
# Run inside the environment: execute a notebook as it stands, cell times recorded.
RUN = """
import sys, nbformat
from nbclient import NotebookClient
path = sys.argv[1]
notebook = nbformat.read(path, 4)
NotebookClient(notebook, timeout=600, kernel_name="python3", allow_errors=True).execute()
nbformat.write(notebook, path)
"""


def wheel(folder: Path) -> Path:
    """The package as it would be published, built from a copy so that the checkout stays clean."""
    source = folder / "source"
    names = ("course_lib", "pyproject.toml", "README.md", "LICENSE", "LICENSE-text")
    subprocess.run(["rm", "-rf", source], check=True)
    source.mkdir(parents=True)
    subprocess.run(["cp", "-r", *[REPO / name for name in names], source], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        + ["-w", folder / "wheels", source],
        check=True,
    )
    return next((folder / "wheels").glob("llm_course-*.whl"))


def environment(folder: Path, python: str) -> Path:
    """Colab's versions in a fresh virtual environment; its Python."""
    inside = folder / "env" / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder / "env"], check=True)
        subprocess.run([inside, "-m", "pip", "install", "-q", "-r", COLAB], check=True)
    return inside


def freeze(python: Path) -> set[str]:
    found = subprocess.run(
        [python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True
    )
    return set(found.stdout.splitlines())


def notebooks(source, built: Path) -> dict[str, nbformat.NotebookNode]:
    """The exercise as it is handed out, and with the solution's cells instead of the stub."""
    found = {}
    solution = [
        cell.source
        for cell in source.notebook().cells
        if cell.cell_type == "code" and "solution" in tags(cell) and "check." not in cell.source
    ]
    answer = next(c for c in solution if f"def {catalogue()[source.name].answer}(" in c)
    for kind in ("stub", "solved"):
        notebook = nbformat.read(str(target_of(source)), 4)
        for cell in notebook.cells:
            if "colab-setup" in cell.metadata.get("tags", ()):
                cell.source = re.sub(r'"llm-course @ git\+[^"]+"', f'"{built}"', cell.source)
                assert str(built) in cell.source, cell.source
            if kind == "solved" and cell.metadata.get("course", {}).get("role") == "answer":
                cell.source = answer
        found[kind] = notebook
    return found


def report(notebook: nbformat.NotebookNode) -> tuple[str, str, list[str]]:
    """What the set-up cell and the check printed, and the errors of all cells."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    checks = [c for c in code if c.metadata.get("course", {}).get("role") == "check"]
    errors = [o["ename"] for cell in code for o in cell.outputs if o.output_type == "error"]
    return text(code[0]), text(checks[0]) if checks else "", errors


def waited(notebook: nbformat.NotebookNode) -> str:
    """Seconds for the set-up cell, and from the first import to the check's first answer."""

    def moment(cell: nbformat.NotebookNode, what: str) -> datetime:
        return datetime.fromisoformat(cell.metadata["execution"][what].replace("Z", "+00:00"))

    setup, first, *rest = [cell for cell in notebook.cells if cell.cell_type == "code"]
    check = next(c for c in rest if c.metadata.get("course", {}).get("role") == "check")
    spans = [(setup, setup), (first, check), (check, check)]
    times = [
        (moment(b, "shell.execute_reply") - moment(a, "iopub.execute_input")).total_seconds()
        for a, b in spans
    ]
    return "set-up {:.1f} s, import to first check {:.1f} s, the check {:.1f} s".format(*times)


def text(cell: nbformat.NotebookNode) -> str:
    parts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "".join(parts).strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="python3.12")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    python, built = environment(folder, arguments.python), wheel(folder)
    drop = [python, "-m", "pip", "uninstall", "-qy", project()["name"], "jaxtyping"]
    subprocess.run([*drop, "wadler-lindig"], check=True)
    before, bad = freeze(python), 0
    os.environ.update(HOME=str(folder), JUPYTER_PREFER_ENV_PATH="1", COURSE_PROGRESS="off")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    os.environ.pop("PYTHONPATH", None)
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    chosen = [s for s in sources("solutions") if s.name in (arguments.only or catalogue())]
    for source in chosen:
        for kind, notebook in notebooks(source, built).items():
            path = folder / "run" / f"{source.name.replace('/', '-')}-{kind}.ipynb"
            path.parent.mkdir(exist_ok=True)
            nbformat.write(notebook, path)
            subprocess.run([python, "-I", "-c", RUN, path], check=True, cwd=path.parent)
            done = nbformat.read(path, 4)
            setup, check, errors = report(done)
            good = check.startswith("✓") if kind == "solved" else check.startswith("✗")
            good = good and (kind == "stub" or not errors)
            bad += not good
            print(f"{'ok' if good else 'NO'} {source.name} ({kind}): {waited(done)}")
            print(f"    {setup.splitlines()[-1] if setup else '(nothing)'}", *errors)
            if not good:
                print(check)
    changed = sorted(before ^ freeze(python))
    print("pip changed:", json.dumps(changed, indent=1))
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
