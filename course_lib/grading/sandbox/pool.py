"""Worker processes, seen from the judge: started, watched, ended. Each runs one answer at a time.

A `Worker` serves one submission, and nothing that it sends is trusted. A thread reads its lines and
hands each to the call that waits for it, so that several calls can be under way at once.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from course_lib.grading.sandbox import cgroups
from course_lib.grading.sandbox.bubblewrap import (
    ROOT,
    Limits,
    NoSandbox,
    command,
    seccomp_filter,
)
from course_lib.grading.sandbox.session import STATUSES, Session

PROGRAM = ["-m", "course_lib.grading.sandbox.worker"]
LOOK = 0.25  # seconds between two looks at a worker's memory
GRACE = 1.0  # seconds that a worker may take to end an answer


class Worker:
    """A sandboxed process that answers run in. `sandboxed=False`: one without a sandbox."""

    def __init__(self, limits: Limits, sandboxed: bool = True, starter: Any = None):
        self.limits, self.sandboxed, self.starter = limits, sandboxed, starter
        self.process: subprocess.Popen | None = None
        self.session: Session | None = None
        self.reader: threading.Thread | None = None
        self.group: Path | None = None
        self.ready = threading.Event()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, without waiting for it. Raises NoSandbox."""
        self.ready = threading.Event()
        self.group = cgroups.make(self.limits) if self.sandboxed else None
        given = (self.limits, self.sandboxed, self.group)
        if self.starter is None:
            self.process = spawn(*given)
        else:
            self.process = self.starter.submit(spawn, *given).result()
        args = (self.process, self.ready)
        self.reader = threading.Thread(target=self._read, args=args, daemon=True)
        self.reader.start()

    def wait_ready(self) -> None:
        """Start it where it isn't running, wait until it is ready. Raises NoSandbox."""
        if self.process is None or self.process.poll() is not None:
            self.close()
            self.start()
        deadline = time.monotonic() + self.limits.start
        while not self.ready.wait(0.1):
            if (code := self.process.poll()) is not None or time.monotonic() > deadline:
                self.close()
                how = f"exit status {code}" if code is not None else f"{self.limits.start:.0f} s"
                raise NoSandbox(f"the worker did not start ({how}); try: course grade --probe")

    @contextlib.contextmanager
    def open(
        self, source: str, function: str, seconds: float | int
    ) -> Iterator[tuple[Session, dict]]:
        """Load an answer; yields its session and first message. Starting a worker isn't counted.

        seconds: that it may keep the judge waiting, all its calls together.
        """
        self.wait_ready()
        job = {"source": source, "function": function}
        self.session = session = Session(seconds)
        try:
            self.send({"open": job})
            yield session, session.wait(session.loading)
        finally:
            if not session.over.is_set():
                self.send({"close": True})
                if not session.over.wait(GRACE):
                    self.close()
            self.session = None

    def send(self, message: dict) -> None:
        """One line to the worker. If it is dead, `_read` ends the session."""
        data = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def kill(self, how: str) -> None:
        """End the worker and all that it started: its process space goes with its first process."""
        if (session := self.session) is not None:
            session.end(how)
        if (worker := self.process) is not None:
            for process in family(worker.pid) if not self.sandboxed else ():
                with contextlib.suppress(psutil.Error):
                    process.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, and wait until it has ended."""
        self.kill("ended the worker")
        if self.process is not None:
            self.process.wait()
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.reader.join(GRACE)
            if not self.reader.is_alive():  # else it would read from whoever gets this number next
                self.process.stdout.close()
            self.process = None
            cgroups.remove(self.group)

    def _read(self, process: subprocess.Popen, ready: threading.Event) -> None:
        """Hand on the worker's lines until it ends; look at its memory now and then."""
        stream, buffer, looked = process.stdout.fileno(), b"", time.monotonic()
        while True:
            with contextlib.suppress(OSError, ValueError):
                if select.select([stream], [], [], LOOK)[0]:
                    part = os.read(stream, 1 << 20)
                    if not part:
                        break
                    *lines, buffer = (buffer + part).split(b"\n")
                    for line in lines:
                        self._deal(line, ready)
                session = self.session  # once: `open` may end it between two looks
                if session and (how := self._excess(session, process, len(buffer), looked)):
                    self.kill(how)
                if time.monotonic() - looked > LOOK:
                    looked = time.monotonic()
                continue
            break
        if (session := self.session) is not None:
            session.end("ended the worker")

    def _deal(self, line: bytes, ready: threading.Event) -> None:
        session = self.session
        if line.startswith(b"=") and not ready.is_set():
            ready.set()
        elif session is not None and line.startswith(b"<"):
            session.total += len(line)
            session.take(line[1:])
        elif session is not None:
            with contextlib.suppress(ValueError, RecursionError, AttributeError):
                how = str(json.loads(line[1:]).get("ended"))
                known = how in STATUSES or how.startswith("ended by SIG") and len(how) < 24
                session.end(how if known else "sent no JSON")
                session.over.set()

    def _excess(
        self, session: Session, process: subprocess.Popen, unread: int, looked: float
    ) -> str | None:
        if unread > self.limits.line_bytes or session.total > self.limits.output_bytes:
            return "too much output"
        if time.monotonic() - looked > LOOK and resident(process.pid) > self.limits.resident:
            return "out of memory"
        return None


def spawn(limits: Limits, sandboxed: bool, group: Path | None = None) -> subprocess.Popen:
    """Start a worker. Raises NoSandbox where bubblewrap or the filter can't be had."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    if not sandboxed:
        kept = {"PYTHONPATH": str(ROOT.parent), "OMP_NUM_THREADS": "1", "PATH": os.defpath}
        python = [sys.executable, "-P", "-s", *PROGRAM]
        return subprocess.Popen(python, **streams, start_new_session=True, env=kept)
    with seccomp_filter() as file:
        line = cgroups.joined(group, command(limits, file.fileno(), [*PROGRAM, "alone"]))
        try:
            return subprocess.Popen(
                line, **streams, pass_fds=[file.fileno()], start_new_session=True, env={}
            )
        except FileNotFoundError as error:
            raise NoSandbox(f"{line[0]} is not installed: apt install bubblewrap") from error


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def resident(pid: int) -> int:
    """Bytes that a process and its descendants hold for themselves, together."""
    total = 0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            used = process.memory_info()
            total += used.rss - used.shared
    return total


class Pool:
    """Workers for submissions, one each; the next is started while the last one is in use.

    A worker dies with the *thread* that started it (that is how --die-with-parent works), so all
    are started in one thread that lives as long as the pool.
    """

    def __init__(self, limits: Limits = Limits(), sandboxed: bool = True, ahead: int = 1):  # noqa: B008
        self.limits, self.sandboxed, self.ahead = limits, sandboxed, ahead
        self.starter = ThreadPoolExecutor(1, thread_name_prefix="grader-start")
        self.waiting: list[Worker] = []
        self.lock = threading.Lock()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @contextlib.contextmanager
    def worker(self) -> Iterator[Worker]:
        """A fresh worker, ended afterwards."""
        with self.lock:
            mine = self.waiting.pop(0) if self.waiting else self._fresh()
            while len(self.waiting) < self.ahead:
                self.waiting.append(self._fresh())
        with mine:
            yield mine

    def _fresh(self) -> Worker:
        made = Worker(self.limits, self.sandboxed, self.starter)
        made.start()
        return made

    def close(self) -> None:
        """End the workers that nobody has used."""
        with self.lock:
            for worker in self.waiting:
                worker.close()
            self.waiting.clear()
        self.starter.shutdown()
