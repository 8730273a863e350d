"""What the tests of the grader share: a small exercise, a worker in the sandbox, a listener."""

import os
import re
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from course_lib.checks.exercise import Case, Exercise
from course_lib.grading.attacks import CANARY
from course_lib.grading.judge import grade_answer
from course_lib.grading.sandbox.bubblewrap import Limits
from course_lib.grading.sandbox.pool import Worker
from course_lib.grading.sandbox.probe import probe

SECRET = b"of these tests"
HONEST = "def my_double(x):\n    return 2 * x"


@pytest.fixture(scope="session")
def sandbox():
    """Skips where no sandbox can be had: says what is missing, and how to get it."""
    if missing := [f"{what}: {how}" for held, what, how in probe() if not held]:
        pytest.skip("; ".join(missing))


def _cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [Case(f"{n} numbers", (torch.randn(n, generator=generator),)) for n in (2, 3, 5, 8)]
    return [*cases, Case("none", (torch.zeros(0),), edge=True)]


DOUBLE = Exercise(
    name="test/double",
    title="Double",
    answer="my_double",
    kind="warm-up",
    minutes=1,
    points=10,
    cases=_cases,
    reference=lambda x: 2 * x,
    mistakes={"You add 2: multiply.": lambda x: x + 2, "You squared it.": lambda x: x**2},
)


def _held(got, want):
    """Stands for a comparison that a value could hold busy, in C code that lets nobody else run."""
    if got.numel() and got.flatten()[0] == 12345:
        re.match("(a|a)*b", "a" * 60)
    return bool(torch.equal(got, want))


def exercises():
    """For judges in processes of their own, which look them up by this function's name."""
    held = replace(DOUBLE, name="test/held", compare=_held)
    return {DOUBLE.name: DOUBLE, held.name: held}


@pytest.fixture(scope="session")
def double():
    return DOUBLE


@pytest.fixture(scope="module")
def worker(sandbox):
    with Worker(Limits(start=300)) as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def graded(worker):
    """Grade one answer to DOUBLE."""

    def run(source, exercise=DOUBLE, seconds=60.0):
        return grade_answer(exercise, source, SECRET, worker, seconds)

    return run


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A file that nobody may touch, and a listener that nobody may reach."""
    path = tmp_path_factory.mktemp("outside") / "canary"
    path.write_text(CANARY)
    os.chmod(path, 0o666)
    os.chmod(path.parent, 0o777)
    heard = []

    def listen(listener):
        while True:
            try:
                heard.append(listener.accept())
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        yield SimpleNamespace(path=path, port=port, heard=heard)
        listener.shutdown(socket.SHUT_RDWR)
