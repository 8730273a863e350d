"""The launcher tells what failed, and leaves nothing running. Two launches, seconds each."""

import os
import sys

import psutil
import pytest

from course_lib.distributed.launch import command, launch


def descendants() -> set[int]:
    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


def test_command_line():
    words = command("some.module", ["--x"], 4)
    assert words[0] == sys.executable and words[-3:] == ["-m", "some.module", "--x"]
    assert "--nproc-per-node=4" in words and "--local-addr=127.0.0.1" in words


def test_a_failing_rank_is_reported_with_its_output():
    with pytest.raises(RuntimeError, match="No module named no_such_module"):
        launch("no_such_module", [], ranks=1, timeout=120.0)


def test_a_rank_that_never_ends_is_ended():
    before = descendants()
    with pytest.raises(TimeoutError, match="ran past"):
        launch(
            "timeit",
            ["-n", "1", "-r", "1", "-s", "import time", "time.sleep(900)"],
            ranks=1,
            timeout=20.0,
        )
    assert descendants() <= before


def test_refusal():
    with pytest.raises(ValueError, match="ranks=0"):
        launch("timeit", [], ranks=0)
