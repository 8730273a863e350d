"""The judge's end of the wall: worker processes, and one answer at a time open in each.

A `Worker` belongs to one submission; what it says is not trusted. One thread reads it and deals the
lines out to the calls that wait for them, so that several calls can be under way at once.
"""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from course_lib.grading.sandbox import ROOT, Limits, NoSandbox, command, seccomp_filter

PROGRAM = ["-m", "course_lib.grading.worker"]
LOOK = 0.25  # seconds between two looks at a worker's memory
GRACE = 1.0  # seconds that a worker may take to end an answer
STATUSES = ("out of time", "too much output", "out of memory", "closed", "ended without a reply",
            "ended the worker", "sent no JSON")  # fmt: skip


class Ended(SystemExit):
    """The answer is over: killed, out of time, or its pipe cut. `args[0]` says how.

    No Exception, so that no harness and no check takes it for something the answer raised; a
    SystemExit, which ends a harness's thread in silence.
    """


class Session:
    """An open answer: its calls' inboxes, how long it has kept the judge waiting, how it ended."""

    def __init__(self, seconds: float):
        self.seconds, self.waited, self.waiting, self.since = seconds, 0.0, 0, 0.0
        self.ended: str | None = None
        self.loading: queue.SimpleQueue = queue.SimpleQueue()
        self.inboxes: dict[int, queue.SimpleQueue] = {}
        self.total = 0
        self.lock, self.over = threading.Lock(), threading.Event()

    def inbox(self, number: int) -> queue.SimpleQueue:
        """Where the answer's lines about this call will lie."""
        with self.lock:
            return self.inboxes.setdefault(number, queue.SimpleQueue())

    def wait(self, box: queue.SimpleQueue) -> dict:
        """The next line, or Ended. Only the time that somebody waits counts as the answer's."""
        left = self._clock(+1)
        message = None
        try:
            message = box.get_nowait() if self.ended else box.get(timeout=max(0.0, left))
        except queue.Empty:
            self.end("out of time")
        finally:
            self._clock(-1)
        if message is None:
            raise Ended(self.ended)
        return message

    def _clock(self, step: int) -> float:
        """Somebody begins or stops to wait; the seconds that are left."""
        now = time.monotonic()
        with self.lock:
            if self.waiting:
                self.waited += now - self.since
            self.since, self.waiting = now, self.waiting + step
            return self.seconds - self.waited

    def end(self, how: str) -> None:
        """Everyone who waits is told."""
        with self.lock:
            self.ended = self.ended or how
            for box in [self.loading, *self.inboxes.values()]:
                box.put(None)

    def take(self, line: bytes) -> None:
        """A line that the answer sent."""
        try:
            message = json.loads(line)
            box = self.loading if "status" in message else self.inboxes[message["call"]]
        except (ValueError, RecursionError, TypeError, KeyError):
            return self.end("sent no JSON")
        box.put(message)
        return None


class Worker:
    """A sandboxed process that answers run in. `walled=False` leaves the sandbox out."""

    def __init__(self, limits: Limits, walled: bool = True, starter: Any = None):
        self.limits, self.walled, self.starter = limits, walled, starter
        self.process: subprocess.Popen | None = None
        self.session: Session | None = None
        self.reader: threading.Thread | None = None
        self.ready = threading.Event()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, without waiting for it. Raises NoSandbox."""
        self.ready = threading.Event()
        if self.starter is None:
            self.process = spawn(self.limits, self.walled)
        else:
            self.process = self.starter.submit(spawn, self.limits, self.walled).result()
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
    def open(self, source: str, function: str, seconds: float) -> Iterator[tuple[Session, dict]]:
        """Load an answer; yields the session and its first word. The start isn't in its time.

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
        """One line to the worker; a dead one has ended the session already, or will."""
        data = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def kill(self, how: str) -> None:
        """End the worker and all that it started: its process space goes with its first process."""
        if self.session is not None:
            self.session.end(how)
        if self.process is not None:
            for process in family(self.process.pid) if not self.walled else ():
                with contextlib.suppress(psutil.Error):
                    process.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

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

    def _read(self, process: subprocess.Popen, ready: threading.Event) -> None:
        """Deal out the worker's lines until it ends; look at its memory now and then."""
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
                if self.session and (how := self._excess(process, len(buffer), looked)):
                    self.kill(how)
                if time.monotonic() - looked > LOOK:
                    looked = time.monotonic()
                continue
            break
        if self.session is not None:
            self.session.end("ended the worker")

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

    def _excess(self, process: subprocess.Popen, unread: int, looked: float) -> str | None:
        if unread > self.limits.line_bytes or self.session.total > self.limits.output_bytes:
            return "too much output"
        if time.monotonic() - looked > LOOK and resident(process.pid) > self.limits.resident:
            return "out of memory"
        return None


def spawn(limits: Limits, walled: bool) -> subprocess.Popen:
    """Start a worker. Raises NoSandbox where bubblewrap or the filter can't be had."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    if not walled:
        kept = {"PYTHONPATH": str(ROOT.parent), "OMP_NUM_THREADS": "1", "PATH": os.defpath}
        python = [sys.executable, "-P", "-s", *PROGRAM]
        return subprocess.Popen(python, **streams, start_new_session=True, env=kept)
    with seccomp_filter() as file:
        line = command(limits, file.fileno(), [*PROGRAM, "alone"])
        try:
            return subprocess.Popen(line, **streams, pass_fds=[file.fileno()],
                                    start_new_session=True, env={"PATH": os.defpath})  # fmt: skip
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

    def __init__(self, limits: Limits = Limits(), walled: bool = True, ahead: int = 1):  # noqa: B008
        self.limits, self.walled, self.ahead = limits, walled, ahead
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
        made = Worker(self.limits, self.walled, self.starter)
        made.start()
        return made

    def close(self) -> None:
        """End the workers that nobody has used."""
        with self.lock:
            for worker in self.waiting:
                worker.close()
            self.waiting.clear()
        self.starter.shutdown()
