"""Start ranks from a notebook, wait for them, and leave nothing running.

The ranks are processes of their own, started by ``torchrun`` on this machine's loopback
interface. Each takes one thread, or p ranks on two cores would fight over p × 2 threads.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import psutil

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A finished launch: its ranks, wall-clock seconds, and what the ranks printed."""

    ranks: int
    seconds: float
    output: str


def command(module: str, arguments: list[str], ranks: int) -> list[str]:
    """The command line: what you would type in a terminal.

    ``--standalone`` picks a free port by itself; ``--local-addr`` keeps the ranks from looking up
    this machine's name.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    options = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={ranks}"]
    return [*torchrun, *options, "-m", module, *arguments]


def launch(module: str, arguments: list[str], *, ranks: int, timeout: float = 180.0) -> Launched:
    """Run ``python -m module arguments`` on ``ranks`` ranks and wait.

    Raises RuntimeError with the end of the output where a rank fails, TimeoutError after
    ``timeout`` seconds. In every case, an interrupt included, all processes are ended first.
    """
    if ranks < 1:
        raise ValueError(f"ranks={ranks}: expected at least 1")
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": LOOPBACK,
        "TP_SOCKET_IFNAME": LOOPBACK,
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command(module, arguments, ranks),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
        output.seek(0)
        text = output.read()
    if code is None:
        raise TimeoutError(f"{ranks} ranks of {module} ran past {timeout:g} s\n{text[-2000:]}")
    if code:
        raise RuntimeError(f"{ranks} ranks of {module} failed, exit code {code}\n{text[-4000:]}")
    return Launched(ranks=ranks, seconds=time.perf_counter() - began, output=text)


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started. torchrun puts its ranks in sessions of their own, so
    the family is listed before its head is cut off."""
    if process.poll() is not None:
        return
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=5)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
