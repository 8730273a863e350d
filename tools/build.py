"""Render the book from the executed pages.

    python -m tools.build

Stages _build/src, a copy of book/ in which every page that holds code is replaced by its executed
notebook, and in which each exercise has its page; runs Jupyter Book over it with warnings as
errors. Nothing is executed here. Where nothing has changed since the last good build, nothing is
done.
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from rich.console import Console

from tools.execute import SKIPPED_TAGS
from tools.keys import files_hash
from tools.sources import REPO, Source, sources, tags
from tools.store import BUILD, kept

STAGED = BUILD / "src"
HTML = BUILD / "html"
STAMP = BUILD / "html.key"
LOG = BUILD / "html.log"
COMMAND = ["build", str(STAGED), "--config", str(REPO / "_config.yml"), "--toc"]
COMMAND += [str(STAGED / "_toc.yml"), "--path-output", str(REPO), "-W", "-n", "--keep-going"]
# Under an exercise's title: what it is worth, then where its notebook is.
WORTH = re.compile(r"^\*.+ · .+ points\*$", re.MULTILINE)
WHERE = "Work it in a notebook: {{repo}}`{0}`, or {{colab}}`{0}`. {{doc}}`How </for_learners>`."
# Staged, an exercise's page stands a folder deeper than its source does.
INCLUDED = re.compile(r"(\{literalinclude\}\s+)(?=\.\./\.\./)")
# literalinclude and links in a page name these relative to the page.
BESIDE = ("course_lib", "exercises", "solutions", "tests", "benchmarks", "results")


def stage(pages: list[Source], profile: str) -> None:
    """Bring _build/src up to date; files that stay the same keep their times."""
    wanted: dict[Path, bytes] = {}
    for path in (REPO / "book").rglob("*"):
        relative = path.relative_to(REPO / "book")
        if path.is_file() and path.suffix != ".ipynb" and "__pycache__" not in path.parts:
            wanted[STAGED / relative] = path.read_bytes()
    for page in pages:
        done = kept(page, profile).notebook
        if page.kind == "solutions":
            shown = exercise_page(page, nbformat.read(done, 4))
            wanted[STAGED / "solutions" / f"{page.name}.ipynb"] = nbformat.writes(shown).encode()
        else:
            del wanted[STAGED / f"{page.name}.md"]
            wanted[STAGED / f"{page.name}.ipynb"] = done.read_bytes()
    for target, content in wanted.items():
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for path in STAGED.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()
    for name in BESIDE:
        link = BUILD / name
        if (REPO / name).exists() and not link.exists():
            link.symlink_to(REPO / name, target_is_directory=True)


def exercise_page(source: Source, executed: NotebookNode) -> NotebookNode:
    """The executed solution with the stub and the first check, which weren't run, back in place."""
    done, cells = iter(executed.cells), []
    notebook = f"exercises/{source.name}.ipynb"
    for i, cell in enumerate(source.notebook().cells):
        if not tags(cell) & SKIPPED_TAGS:
            cell = next(done)
        if cell.cell_type == "markdown":
            cell.source = WORTH.sub(rf"\g<0>\n\n{WHERE.format(notebook)}", cell.source)
            cell.source = cell.source.replace("`../../book/", "`../../")
            cell.source = cell.source.replace("<../../book/", "<../../")
            cell.source = INCLUDED.sub(r"\g<1>../", cell.source)
        cell["id"] = f"cell-{i}"
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells, metadata=executed.metadata)


def unexecuted(pages: list[Source], profile: str) -> list[str]:
    return [page.page for page in pages if not _executed_as_it_is(page, profile)]


def _executed_as_it_is(page: Source, profile: str) -> bool:
    """Whether there is an execution; of an exercise, one with the cells that its source has now."""
    done = kept(page, profile).notebook
    if page.kind != "solutions" or not done.exists():
        return done.exists()
    run = [cell for cell in page.notebook().cells if not tags(cell) & SKIPPED_TAGS]
    return len(run) == len(nbformat.read(done, 4).cells)


def key() -> str:
    """A hash of everything that rendering reads."""
    read = [path for path in STAGED.rglob("*") if path.is_file()]
    read += [path for path in (REPO / "course_lib").rglob("*.py")]
    read += [path for path in (REPO / "book" / "_ext").rglob("*.py")]
    read += [REPO / "_config.yml", REPO / "pyproject.toml", Path(__file__)]
    lock = REPO / "requirements.lock"
    return files_hash(read + ([lock] if lock.exists() else []))


def render() -> int:
    """Run Jupyter Book afresh; its warnings are errors."""
    shutil.rmtree(HTML, ignore_errors=True)
    tool = str(Path(sys.executable).with_name("jupyter-book"))
    began = time.monotonic()
    with LOG.open("w") as log, Console().status("rendering") as status:
        process = subprocess.Popen(
            [tool, *COMMAND, "--all"], cwd=REPO, stdout=log, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            time.sleep(0.5)
            status.update(f"rendering the book, {time.monotonic() - began:.0f} s")
    return process.returncode


def complaints() -> list[str]:
    """The lines of the log that say what is wrong."""
    lines = LOG.read_text(errors="replace").splitlines()
    found = [line for line in lines if "WARNING" in line or "ERROR" in line or "rror:" in line]
    return found or lines[-15:]


def main() -> int:
    from course_lib.profile import current

    profile = current().name
    pages = sources()
    if missing := unexecuted(pages, profile):
        print(f"not executed yet: {', '.join(missing)}; run: make execute")
        return 1
    stage(pages, profile)
    wanted = key()
    index = HTML / "index.html"
    if index.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        print(f"the book is as it was: {index}")
        return 0
    STAMP.unlink(missing_ok=True)
    print("rendering the book …", flush=True)
    began = time.monotonic()
    code = render()
    if code or not index.exists():
        print("\n".join(dict.fromkeys(complaints())))
        print(f"jupyter-book ended with {code}; the whole log is {LOG}")
        return 1
    STAMP.write_text(wanted)
    print(f"the book: {index} ({time.monotonic() - began:.0f} s to render)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
