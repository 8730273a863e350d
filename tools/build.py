"""Render the book from the executed pages.

    python -m tools.build

Stages _build/src, a copy of book/ in which every page that holds code is replaced by its executed
notebook, and runs Jupyter Book over it with warnings as errors. Nothing is executed here. Where
nothing has changed since the last good build, nothing is done.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from tools.keys import files_hash
from tools.sources import REPO, Source, sources
from tools.store import BUILD, kept

STAGED = BUILD / "src"
HTML = BUILD / "html"
STAMP = BUILD / "html.key"
LOG = BUILD / "html.log"
COMMAND = ["build", str(STAGED), "--config", str(REPO / "_config.yml"), "--toc"]
COMMAND += [str(STAGED / "_toc.yml"), "--path-output", str(REPO), "-W", "-n", "--keep-going"]
# literalinclude and links in a page name these relative to the page.
BESIDE = ("course_lib", "exercises", "solutions", "tests", "benchmarks", "results")


def stage(pages: list[Source], profile: str) -> None:
    """Bring _build/src up to date; files that stay the same keep their times."""
    wanted: dict[Path, Path] = {}
    for path in (REPO / "book").rglob("*"):
        relative = path.relative_to(REPO / "book")
        if path.is_file() and path.suffix != ".ipynb" and "__pycache__" not in path.parts:
            wanted[STAGED / relative] = path
    for page in pages:
        del wanted[STAGED / f"{page.name}.md"]
        wanted[STAGED / f"{page.name}.ipynb"] = kept(page, profile).notebook
    for target, source in wanted.items():
        content = source.read_bytes()
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


def unexecuted(pages: list[Source], profile: str) -> list[str]:
    return [page.page for page in pages if not kept(page, profile).notebook.exists()]


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
    pages = sources("book")
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
