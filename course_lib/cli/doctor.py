"""`course doctor`: what is on this machine, what is missing, and the command that mends it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer
from rich.table import Table

from course_lib.cli.output import console, mark
from course_lib.cli.panels import OURS

SUPPORTED = ((3, 11), (3, 13))
DISK_GB = 2.0  # the lineage, its checkpoints and the executed pages of the cpu profile
MEMORY_GB = 3.0  # what a page may use
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. remedy: the command that mends it, empty where nothing is wrong."""

    what: str
    found: str
    ok: bool = True
    remedy: str = ""


def add(app: typer.Typer) -> None:
    """Hang the command into the `course` command."""
    app.command(
        rich_help_panel=OURS, short_help="What is on this machine, and what mends the rest."
    )(doctor)


def doctor():
    """What is on this machine, what is missing, and the command that mends it."""
    findings = examine()
    table = Table("", "what", "found", "remedy")
    for finding in findings:
        table.add_row(mark(finding.ok), finding.what, finding.found, finding.remedy)
    console.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine() -> list[Finding]:
    """Look at everything; nothing is changed."""
    looks: tuple[Callable[[], Finding], ...] = (
        python,
        locked_versions,
        notebooks,
        cores,
        memory,
        profile,
        disk,
        bfloat16,
        gpu,
        browser,
    )
    return [look() for look in looks]


def python() -> Finding:
    """The interpreter's version against the supported range."""
    here = sys.version_info[:2]
    found = f"{platform.python_version()} at {sys.executable}"
    if SUPPORTED[0] <= here <= SUPPORTED[1]:
        return Finding("Python", found)
    return Finding("Python", found, False, "rm -rf .venv; make book PYTHON=/path/to/python3.12")


def locked_versions(lock: Path | None = None) -> Finding:
    """Installed versions against requirements.lock, where there is one."""
    lock = lock or _repository() / "requirements.lock"
    if not lock.exists():
        return Finding("versions", "no requirements.lock here: the package is installed alone")
    differ, count = [], 0
    for name, wanted in _pins(lock.read_text(encoding="utf-8")):
        count += 1
        try:
            here = version(name).split("+")[0]
        except PackageNotFoundError:
            here = "missing"
        if here != wanted:
            differ.append(f"{name} {here}, not {wanted}")
    if not differ:
        return Finding("versions", f"all {count} as in {lock.name}")
    shown = "; ".join(differ[:4]) + (f"; and {len(differ) - 4} more" if len(differ) > 4 else "")
    return Finding("versions", shown, False, f"{sys.executable} -m pip install -r {lock}")


def _pins(text: str) -> list[tuple[str, str]]:
    from packaging.requirements import Requirement

    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    wanted = [Requirement(line) for line in lines]
    return [
        (requirement.name, next(iter(requirement.specifier)).version)
        for requirement in wanted
        if requirement.marker is None or requirement.marker.evaluate()
    ]


def notebooks() -> Finding:
    """What running and rendering the book needs beyond the package itself."""
    missing = []
    for name in ("jupyter-book", "jupytext", "nbmake", "jupyterlab", "ipykernel"):
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if not missing:
        return Finding("book tools", "Jupyter Book, JupyterLab and nbmake are here")
    return Finding("book tools", f"missing: {', '.join(missing)}", False, "make setup")


def cores() -> Finding:
    """Cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    note = "" if count > 1 else "; one is enough, and takes about twice as long"
    return Finding("cores", f"{count}{note}")


def memory() -> Finding:
    """Memory that is free, against what a page may use."""
    import psutil

    free = psutil.virtual_memory().available / 2**30
    found = f"{free:.1f} GB free"
    if free >= MEMORY_GB:
        return Finding("memory", found)
    return Finding(
        "memory", found, False, f"close other programs: a page takes up to {MEMORY_GB:g} GB"
    )


def profile() -> Finding:
    """The profile in force, and whether a step of its pretraining fits this machine."""
    from course_lib import profile as profiles
    from course_lib import runtime
    from course_lib.pretraining.real_run.room import bytes_free, bytes_needed

    try:
        chosen = profiles.current()
    except ValueError as error:
        return Finding("profile", str(error), False, "unset COURSE_PROFILE")
    device = runtime.device(chosen).type
    sizes = (chosen.model, chosen.seq_len, chosen.pretrain_batch_size)
    wanted, free = bytes_needed(*sizes, device), bytes_free(device)
    found = f"{chosen.name}: a step of pretraining needs {wanted / 1e9:.1f} GB on {device}"
    if wanted <= free:
        return Finding("profile", found)
    found += f", {free / 1e9:.1f} GB are there"
    return Finding("profile", found, False, "export COURSE_PROFILE=cpu")


def disk(place: Path | None = None) -> Finding:
    """Disk space where the artifacts are kept."""
    place = place or Path(os.environ.get("COURSE_HOME", _repository() / ".course"))
    existing = next(p for p in (place, *place.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**30
    found = f"{free:.1f} GB free at {existing}"
    if free >= DISK_GB:
        return Finding("disk", found)
    return Finding("disk", found, False, "set COURSE_HOME to a folder on a larger disk")


def bfloat16() -> Finding:
    """Whether the CPU multiplies bfloat16 in hardware; without it the course uses float32."""
    flags = _cpu_flags()
    if flags is None:
        return Finding("bfloat16", f"unknown on {platform.system()}; the CPU computes in float32")
    names = [name for name in ("amx_bf16", "avx512_bf16", "bf16") if name in flags]
    found = f"in hardware ({names[0]})" if names else "not in this CPU; float32 is used"
    return Finding("bfloat16", found)


def _cpu_flags() -> set[str] | None:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return None
    for line in info.read_text().splitlines():
        if line.lower().startswith(("flags", "features")):
            return set(line.split(":", 1)[1].split())
    return None


def gpu() -> Finding:
    """The GPU, if torch sees one. The cpu profile needs none."""
    import torch

    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        size = torch.cuda.get_device_properties(0).total_memory / 2**30
        name = f"{count} × {torch.cuda.get_device_name(0)}, {size:.0f} GB each"
        return Finding("GPU", f"{name}; use it with make book PROFILE=gpu")
    if shutil.which("nvidia-smi"):
        return Finding(
            "GPU",
            f"one is here, but torch {torch.__version__} was built without CUDA",
            False,
            f"{sys.executable} -m pip install --force-reinstall torch=={_plain(torch.__version__)}",
        )
    return Finding("GPU", "none; the cpu profile needs none")


def browser() -> Finding:
    """The browser that tests the rendered pages; reading them needs only your own."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return Finding("browser tests", found)
    return Finding("browser tests", "no Chromium; make test leaves them out: apt install chromium")


def _plain(text: str) -> str:
    return text.split("+")[0]


def _repository() -> Path:
    return Path(__file__).resolve().parents[2]
