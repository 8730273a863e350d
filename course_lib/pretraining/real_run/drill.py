"""Fire drills: start a run in a process of its own, do something to it, and see what is left.

Each process is a fork of this one, which has imported torch already. A fork shares nothing that it
writes: what the run left is on the disk, in its log and in its exit code.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib.pretraining.real_run.config import RunConfig
from course_lib.pretraining.real_run.folder import curve


@dataclass(frozen=True)
class Child:
    """A forked process; ``said`` is what it wrote to its error stream."""

    pid: int
    errors: Path

    @property
    def said(self) -> str:
        """The error stream so far."""
        return self.errors.read_text() if self.errors.exists() else ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal, as ``kill`` does."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 90.0) -> int:
        """Its exit code; minus the signal's number where a signal ended it.

        Raises TimeoutError, and kills it first, where it is still there after ``seconds``.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        self.send(signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise TimeoutError(f"process {self.pid} still ran after {seconds} s")


def fork(act: Callable[[], int], errors: Path, environment: dict | None = None) -> Child:
    """A child that runs ``act`` and exits with what it returns. ``errors``: its error stream."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Child(pid, errors)
    code = 99
    try:
        os.environ.update(environment or {})
        # The stream of a notebook belongs to its parent: this process needs one of its own.
        sys.stdout = sys.stderr = errors.open("w", buffering=1)
        code = int(act())
    finally:
        os._exit(code)  # no clean-up that is the parent's business


def fork_ranks(act: Callable[[], int], size: int, folder: Path) -> list[Child]:
    """``act`` on ``size`` ranks, in the environment that torchrun would give each.

    Their port is bound here first, and stays bound in the forks: no other process is given it
    before rank 0 listens there.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        shared = {
            "WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(reserved.getsockname()[1]),
            "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
        }
        return [
            fork(act, folder / f"rank{rank}.txt", shared | {"RANK": str(rank)})
            for rank in range(size)
        ]


def wait_for_step(config: RunConfig, step: int, seconds: float = 60.0) -> None:
    """Until the log of a run shows that step. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not any(line["step"] >= step for line in curve(config.log)):
        if time.monotonic() > end:
            raise TimeoutError(f"{config.out}: step {step} was not logged in {seconds} s")
        time.sleep(0.01)


def kill_during(act: Callable[[], None], errors: Path, when: Callable[[], bool]) -> None:
    """Do ``act`` again and again in a child, and kill -9 it as soon as ``when()`` is true."""

    def for_ever() -> int:
        while True:
            act()

    child = fork(for_ever, errors)
    while not when():
        time.sleep(0.0005)
    child.send(signal.SIGKILL)
    child.wait()


def after(seconds: float) -> Callable[[], bool]:
    """A ``when`` that is true from so many seconds on."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end
