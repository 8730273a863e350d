"""The probe finds each feature of the sandbox that is missing, and says how to get it."""

import os
import shutil
import sys

import pytest

from course_lib.grading.sandbox import probe as probing
from course_lib.grading.sandbox.bubblewrap import Limits, NoSandbox, command
from course_lib.grading.sandbox.pool import Pool, Worker
from course_lib.grading.sandbox.probe import FEATURES, probe, require

HONEST = "def f(x):\n    return 2 * x"


def held(**of):
    return {name: bool(of[name]) for name in FEATURES}


def test_here_all_of_it_holds(sandbox):
    rows = probe()
    assert all(holds for holds, *_ in rows) and len(rows) == len(FEATURES) + 1
    require()


def without(line, *words):
    """The command line with some of its words, and what belongs to them, left out."""
    for word, parts in words:
        while word in line:
            at = line.index(word)
            line = line[:at] + line[at + parts :]
    return line


@pytest.mark.parametrize(
    ("left_out", "missed"),
    [
        ([("--size", 2)], {"tmp"}),
        ([("--seccomp", 2)], {"filter"}),
        ([("--unshare-all", 1), ("--as-pid-1", 1), ("--hostname", 2)], {"network", "processes"}),
        ([("--core=0", 1), ("--nproc=64", 1)], {"limits"}),
    ],
)
def test_a_sandbox_with_a_hole_is_noticed(sandbox, monkeypatch, left_out, missed):
    def holed(limits, seccomp, program):
        line = command(limits, seccomp, program)
        return without(line, *left_out)

    monkeypatch.setattr(probing, "command", holed)
    found, said = probing._from_inside(Limits())
    assert found is not None, said
    assert {name for name, holds in held(**found).items() if not holds} == missed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts as another user")
def test_root_stays_outside(sandbox, monkeypatch):
    def holed(limits, seccomp, program):
        line = command(limits, seccomp, program)
        return line[line.index("bwrap") :]

    monkeypatch.setattr(probing, "command", holed)
    found, _ = probing._from_inside(Limits())
    assert found is not None and not found["user"]


def test_programs_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    ((holds, what, how),) = probe.__wrapped__()
    assert not holds and "bwrap" in what and how == "apt install bubblewrap util-linux"


def test_without_the_filter_nobody_is_graded(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(probing, "probe", probe.__wrapped__)
    with pytest.raises(NoSandbox, match="pip install pyseccomp"):
        require()


def test_a_worker_without_a_sandbox_is_asked_for_by_name():
    with Worker(Limits(start=300.0), sandboxed=False) as worker:
        with worker.open(HONEST, "f", 60.0) as (_, word):
            assert word == {"status": "loaded"}
        with worker.open("import course_lib", "f", 60.0) as (_, word):
            assert "may not import course_lib" in word["error"]["said"]
        pid = worker.process.pid
    assert not os.path.exists(f"/proc/{pid}")


def test_a_pool_starts_the_next_worker_ahead(sandbox):
    with Pool(Limits(start=300.0)) as pool:
        with pool.worker() as first:
            first.wait_ready()
            (second,) = pool.waiting
        assert first.process is None and second.process.poll() is None
        with pool.worker() as mine:
            assert mine is second
            with mine.open(HONEST, "f", 60.0) as (_, word):
                assert word == {"status": "loaded"}
    assert not pool.waiting
