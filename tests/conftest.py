"""What holds for every test: one thread, no hub, no network, the same seeds, the course's store."""

import os
import random
import runpy
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

REPO = Path(__file__).resolve().parent.parent
OFFLINE = REPO / "tools" / "offline"

DEFAULTS = {
    "COURSE_HOME": str(REPO / ".course"),
    "COURSE_PROFILE": "cpu",
    "COURSE_PROGRESS": "off",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
}
# Set before the first test module imports torch, which reads them once.
for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)
# Child processes import sitecustomize by themselves; this one has to run it.
os.environ["PYTHONPATH"] = os.pathsep.join(
    p for p in (str(OFFLINE), str(REPO), os.environ.get("PYTHONPATH")) if p
)
runpy.run_path(str(OFFLINE / "sitecustomize.py"))

# A shell starts its background jobs with Ctrl-C ignored, and every process that a test starts would
# inherit that: one that waits to be interrupted would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no deadline: the machine may be busy.
settings.register_profile("course", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("course")


@pytest.fixture(autouse=True)
def same_seeds() -> None:
    """Every test starts from the same random state, in whatever order the tests run."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
