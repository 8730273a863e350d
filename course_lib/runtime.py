"""What a page runs on: device, seed, threads, and what the page cost.

The edges ask here (pages, the command line, the lineage); chapters are told by argument.
"""

import json
import os
import random
import sys
import time
import warnings
from pathlib import Path

import torch

from course_lib import measure
from course_lib.profile import Profile, current

_page: dict = {}


def repository() -> Path | None:
    """The checkout that this package is imported from, or None where only the wheel is there."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "book").is_dir() else None


def build_dir() -> Path:
    """Where pages leave their figures and costs: ``_build`` of the checkout, else the store."""
    if "COURSE_BUILD" in os.environ:
        return Path(os.environ["COURSE_BUILD"])
    root = repository()
    return root / "_build" if root else home() / "build"


def home() -> Path:
    """The artifact store: ``COURSE_HOME``, else ``.course`` of the checkout, as make has it.

    Where only the wheel is installed (Colab), ``~/.cache/llm-course``.
    """
    root = repository()
    default = root / ".course" if root else Path.home() / ".cache" / "llm-course"
    return Path(os.environ.get("COURSE_HOME", default))


def device(profile: Profile | None = None) -> torch.device:
    """The CPU under the cpu profile; elsewhere the GPU when there is one.

    ``profile``: the present one, ``COURSE_PROFILE``, where none is named.
    """
    accelerated = (profile or current()).name != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if accelerated else "cpu")


def on_gpu() -> bool:
    """Whether ``device()`` is a GPU."""
    return device().type == "cuda"


def synchronize() -> None:
    """Wait until the device has done all that it was given, as a clock needs."""
    measure.synchronize(device())


def training_threads() -> int:
    """Threads for building artifacts: ``COURSE_THREADS``, else both of a laptop's two cores."""
    return int(os.environ.get("COURSE_THREADS", min(2, os.cpu_count() or 1)))


def seed_all(seed: int) -> None:
    """Seed the global generators of Python and torch; our own code takes generators instead."""
    random.seed(seed)
    torch.manual_seed(seed)


def start(page: str, seed: int = 0) -> Profile:
    """Begin a page, named "stem/topic": seed, threads, cost accounting. Returns the profile."""
    if page.count("/") != 1:
        raise ValueError(f"page={page!r}: expected 'stem/topic', as 'sft/chat'")
    profile = current()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", message=".*(IProgress|ipywidgets).*")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    seed_all(seed)
    (build_dir() / "figures" / f"{page}.json").unlink(missing_ok=True)
    _page.update(name=page, wall=time.perf_counter(), cpu=measure.cpu_seconds())
    _watch_cells()
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"profile {profile.name} · Python {version} · torch {torch.__version__} · {_describe()}")
    return profile


def page() -> str | None:
    """The name given to ``start``, or None outside a page."""
    return _page.get("name")


def _describe() -> str:
    if on_gpu():
        return torch.cuda.get_device_name(device())
    return f"CPU, {torch.get_num_threads()} thread(s)"


def _watch_cells() -> None:
    """Rewrite the page's cost after each cell, so that a page cut short still has one."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or _page.get("watched"):
        return
    _page["watched"] = True
    shell.events.register("post_run_cell", lambda result: _write_cost())


def _write_cost() -> None:
    cost = {
        "page": _page["name"],
        "profile": current().name,
        "device": _describe(),
        "wall_seconds": round(time.perf_counter() - _page["wall"], 2),
        "cpu_seconds": round(measure.cpu_seconds() - _page["cpu"], 2),
        "peak_memory_mb": round(measure.peak_memory_mb(), 1),
    }
    if on_gpu():
        cost["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    path = build_dir() / "costs" / f"{_page['name']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(cost, indent=1))
