"""Run every chapter and every solution once, for the tests and the book alike.

    python -m tools.execute [--strict] [--only sft/chat …]

Each chapter is staged as .ipynb and executed by nbmake, two at a time. Solutions of one stem share
a kernel, since most of what one takes is the import of torch. What a page printed is kept under
.course/executed with a key (tools/keys.py); while the key stays, it isn't run again.
--strict also fails where a figure lies outside the band of its expected.yml.
"""

import argparse
import fcntl
import json
import os
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path

import nbformat
import pytest

from tools.keys import page_key
from tools.progress import Progress, summary
from tools.sources import REPO, Source, sources, tags
from tools.store import BUILD, STORE, kept

PAGE_CORE_SECONDS = 90
PAGE_MEMORY_MB = 3 * 1024
SKIPPED_TAGS = {"exercise-only", "stub"}
# Between two solutions in one kernel: an empty namespace, and the same random state for each.
AFRESH = """%reset -f
__import__("random").seed(0)
__import__("numpy").random.seed(0)
__import__("torch").manual_seed(0);"""
PYTEST_INI = "[pytest]\naddopts =\n"
# pytest's own report is off (ours is shown instead), and with it the option that nbmake reads.
CONFTEST = "def pytest_configure(config):\n    config.option.verbose = 0\n"


def environment(profile: str, build: Path) -> dict[str, str]:
    """What a kernel sees: the store, the profile, one thread, no hub and no network."""
    here = [str(REPO / "tools" / "offline"), str(REPO)]
    return {
        "COURSE_BUILD": str(build),
        "COURSE_HOME": os.environ.get("COURSE_HOME", str(REPO / ".course")),
        "COURSE_PROFILE": profile,
        "COURSE_PROGRESS": "off",  # what the book solves, its reader has still to do
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(here),
        "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm asks for widgets; the book has none
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_OFFLINE": "1",
    }


def stage(page: list[Source], path: Path) -> Path:
    """Write the notebook that is to run: one chapter, or several solutions that share a kernel.

    A solution goes without its stub and its first check.
    """
    staged = nbformat.v4.new_notebook(metadata=page[0].notebook().metadata)
    for source in page:
        cells = source.notebook().cells
        if source.kind == "solutions":
            cells = [cell for cell in cells if not tags(cell) & SKIPPED_TAGS]
        for cell in cells:
            cell.metadata["page"] = source.name
        if source is not page[0]:
            staged.cells.append(nbformat.v4.new_code_cell(AFRESH))
        staged.cells += cells
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(staged, path)
    return path


def run(stale: dict[Source, str], profile: str, build: Path, jobs: int) -> dict[str, str]:
    """Execute these sources and keep each under its key; returns the trace of each failure.

    Solutions of a stem share a kernel. Where one of them fails, each runs again by itself, so that
    the failure bears its own name.
    """
    STORE.mkdir(parents=True, exist_ok=True)
    stems = {s.stem: [o for o in stale if o.stem == s.stem] for s in stale if s.kind != "book"}
    pages = [[source] for source in stale if source.kind == "book"] + list(stems.values())
    failures = _run_staged(pages, stale, profile, build, jobs)
    shared = [page for page in pages if len(page) > 1 and _title(page) in failures]
    for page in shared:
        del failures[_title(page)]
    alone = [[source] for page in shared for source in page]
    return failures | (_run_staged(alone, stale, profile, build, jobs) if alone else {})


def _title(page: list[Source]) -> str:
    if len(page) == 1:
        return page[0].page
    return f"{Path(page[0].page).parent.as_posix()} ({len(page)} solutions)"


def _run_staged(
    pages: list[list[Source]], keys: dict[Source, str], profile: str, build: Path, jobs: int
) -> dict[str, str]:
    with tempfile.TemporaryDirectory(dir=STORE, prefix="staged-") as folder:
        staged = Path(folder)
        (staged / "pytest.ini").write_text(PYTEST_INI)
        (staged / "conftest.py").write_text(CONFTEST)
        targets = {}
        for page in sorted(pages, key=lambda page: -_took(page, profile)):
            name = page[0].name if len(page) == 1 else page[0].stem
            path = stage(page, staged / page[0].kind / f"{name}.ipynb")
            targets[str(path.relative_to(staged))] = page

        def done(path: str, seconds: float) -> None:  # kept at once, so that a stop loses little
            notebook = nbformat.read(staged / path, 4)
            for source in targets[path]:
                record = {"key": keys[source], "seconds": round(seconds / len(targets[path]), 1)}
                _keep(source, _part(notebook, source), profile, build, record)

        progress = Progress({path: _title(page) for path, page in targets.items()}, done)
        arguments = ["--nbmake", "--overwrite", "--nbmake-timeout", str(_cell_limit(profile))]
        arguments += ["-c", str(staged / "pytest.ini"), "--rootdir", folder, "-p", "no:terminal"]
        arguments += ["-p", "no:cacheprovider", "-p", "no:jaxtyping"]
        if jobs > 1 and len(targets) > 1:
            arguments += ["-n", str(jobs), "--maxschedchunk", "1"]
        os.environ.update(environment(profile, build))
        with progress:
            code = pytest.main(arguments + [str(staged / path) for path in targets], [progress])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        progress.failures.setdefault("pytest", f"pytest ended with {code!r}")
    return {
        _title(targets[path]) if path in targets else path: trace
        for path, trace in progress.failures.items()
    }


def _took(page: list[Source], profile: str) -> float:
    return sum(kept(source, profile).read().get("seconds", 1e6) for source in page)


def _part(notebook: nbformat.NotebookNode, source: Source) -> nbformat.NotebookNode:
    """The cells of one source, numbered from 1, out of the notebook in which it ran."""
    cells = [cell for cell in notebook.cells if cell.metadata.get("page") == source.name]
    number = 0
    for cell in cells:
        del cell.metadata["page"]
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code" and cell.execution_count:
            number += 1
            cell.execution_count = number
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = number
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def _keep(
    source: Source, notebook: nbformat.NotebookNode, profile: str, build: Path, record: dict
) -> None:
    place = kept(source, profile)
    place.folder.mkdir(parents=True, exist_ok=True)
    place.record.unlink(missing_ok=True)
    nbformat.write(notebook, place.notebook)
    for kind in ("costs", "figures"):
        path = build / kind / f"{source.name}.json"
        if path.exists():
            record[kind] = json.loads(path.read_text())
    place.record.write_text(json.dumps(record, indent=1))


def _cell_limit(profile: str) -> int:
    return 600 if profile == "cpu" else 3600


def restore(source: Source, profile: str, build: Path) -> None:
    """Put a kept page's costs and figures back where the appendices look for them."""
    record = kept(source, profile).read()
    for kind in ("costs", "figures"):
        if kind in record:
            path = build / kind / f"{source.name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record[kind], indent=1))


def execute(wanted: list[Source], profile: str, build: Path, jobs: int) -> dict[str, str]:
    """Bring these sources up to date; returns the failures."""
    from course_lib.lineage import artifact_key

    stale = {}
    for source in wanted:
        key = page_key(source, profile, artifact_key)
        if kept(source, profile).read().get("key") == key:
            restore(source, profile, build)
        else:
            stale[source] = key
    return run(stale, profile, build, jobs) if stale else {}


def outside_bands(wanted: list[Source], profile: str) -> list[str]:
    """The figures that lie outside their band."""
    found = []
    for source in wanted:
        for name, figure in kept(source, profile).read().get("figures", {}).items():
            band = figure.get("band")
            if band and not band[0] <= figure["value"] <= band[1]:
                found.append(
                    f"{source.page}: {name} = {figure['value']:.4g}, outside {band[0]} … {band[1]}"
                )
    return found


def over_budget(wanted: list[Source], profile: str) -> list[str]:
    """The pages that took more than a page may. Said, not failed: a busy machine is slower."""
    found = []
    for source in wanted:
        cost = kept(source, profile).read().get("costs", {})
        if cost.get("cpu_seconds", 0) > PAGE_CORE_SECONDS:
            took = f"{cost['cpu_seconds']:.0f} core-seconds"
            found.append(f"{source.page}: {took}, over {PAGE_CORE_SECONDS}")
        if cost.get("peak_memory_mb", 0) > PAGE_MEMORY_MB:
            found.append(f"{source.page}: {cost['peak_memory_mb']:.0f} MB, over {PAGE_MEMORY_MB}")
    return found


@contextmanager
def alone():
    """One run over all pages at a time: the next waits."""
    STORE.mkdir(parents=True, exist_ok=True)
    with (STORE / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run of tools.execute is at work; waiting for it", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--strict", action="store_true", help="fail on figures outside their band")
    parser.add_argument("--only", nargs="*", default=[], help="names as sft/chat")
    parser.add_argument("--jobs", type=int, default=0, help="kernels at a time")
    arguments = parser.parse_args()
    from course_lib.profile import current

    profile = current().name
    jobs = arguments.jobs or (2 if profile == "cpu" else 1)
    chosen = [s for s in sources() if not arguments.only or s.name in arguments.only]
    chapters = [s for s in chosen if s.kind == "book" and not s.last]
    solutions = [s for s in chosen if s.kind == "solutions"]
    last = [s for s in chosen if s.last]
    with nullcontext() if arguments.only else alone():
        failures = execute(chapters, profile, BUILD, jobs)
        failures |= execute(solutions, profile, BUILD / "of-solutions", jobs)
        failures |= execute(last, profile, BUILD, jobs)
    print(summary([(s.page, kept(s, profile).read()) for s in chosen if s.page not in failures]))
    for line in over_budget(chosen, profile):
        print(f"note: {line}")
    wrong = outside_bands(chosen, profile)
    for line in wrong:
        print(f"{'FAILED' if arguments.strict else 'note'}: {line}")
    for page, trace in failures.items():
        print(f"\nFAILED: {page}\n{trace}")
    return bool(failures) or (arguments.strict and bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
