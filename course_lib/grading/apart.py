"""A process of our own that may be ended: what students' bytes are read and judged in.

The asker sends lines of JSON and is sent lines of JSON. Each reply may cost so much processor time,
memory and text; beyond that the process is ended, the asker reads why (`Lost`), and the next
request starts a new one. So bytes that hold it busy cost those who sent them, and nobody else.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

PACKAGES = Path(__file__).resolve().parents[2]  # where course_lib lies
STARTING = 120.0  # seconds of its processor for `first`
LOOK = 0.1  # seconds between two looks at its time and memory


class Lost(RuntimeError):
    """The process was ended, or ended by itself. The message says how."""


class Failed(RuntimeError):
    """What was asked raised an exception. kind: the name of its class."""

    def __init__(self, kind: str, said: str):
        super().__init__(said)
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one reply may cost: seconds of its processor, seconds in all, resident bytes, text."""

    cpu_seconds: float
    wall_seconds: float
    memory: int
    line_bytes: int = 64 << 20


class Apart:
    """The process that runs a module of ours (see `serve`), started at the first request."""

    def __init__(self, module: str, bounds: Bounds, first: dict | None = None):
        self.module, self.bounds, self.first = module, bounds, first
        self.process: subprocess.Popen | None = None
        self.buffer, self.used = bytearray(), 0.0

    def send(self, request: dict) -> None:
        """Ask. Starts the process where there is none, and tells it `first`, which it replies to.

        Raises Failed where it doesn't start.
        """
        if self.process is None or self.process.poll() is not None:
            self.end()
            self._start()
            if self.first is not None:
                self._write(self.first)
                self._started()
        self._write(request)
        self.used = self._cpu()

    def receive(self, cpu_seconds: float | None = None) -> dict:
        """The next line of its reply. Raises Lost, and Failed with what was raised over there.

        cpu_seconds: what it may take for this line, if not what the bounds say.
        """
        limit = self.bounds.cpu_seconds if cpu_seconds is None else cpu_seconds
        began = time.monotonic()
        end = self.buffer.find(b"\n")
        while end < 0:
            if how := self._excess(limit, time.monotonic() - began):
                self.end()
                raise Lost(how)
            stream = self.process.stdout.fileno()
            if not select.select([stream], [], [], LOOK)[0]:
                continue
            part = os.read(stream, 1 << 20)
            if not part:
                how = self._how()
                self.end()
                raise Lost(how)
            found = part.find(b"\n")
            end = len(self.buffer) + found if found >= 0 else -1
            self.buffer += part
            if len(self.buffer) > self.bounds.line_bytes:
                self.end()
                raise Lost(f"more than {self.bounds.line_bytes:,} bytes came of it")
        line, self.buffer = bytes(self.buffer[:end]), self.buffer[end + 1 :]
        self.used = self._cpu()
        try:
            reply = dict(json.loads(line))
        except (ValueError, TypeError, RecursionError):
            self.end()
            raise Lost("what came of it is no reply") from None
        if "failed" in reply:
            raise Failed(reply["failed"], reply["said"])
        return reply

    def ask(self, request: dict, cpu_seconds: float | None = None) -> dict:
        """One request, one line of reply."""
        self.send(request)
        return self.receive(cpu_seconds)

    def close(self) -> None:
        """Let it end by itself, and end it where it doesn't."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        self.end()

    def end(self) -> None:
        """End it now."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.process, self.buffer = None, bytearray()

    def _start(self) -> None:
        """Ctrl-C isn't for it: it ends with its asker, when its pipe does."""
        paths = os.pathsep.join([str(PACKAGES), *(path for path in sys.path if path)])
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a student's text would end in somebody's terminal
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": paths, "PYTHONUTF8": "1"},
        )

    def _started(self) -> None:
        """Its word that it has started. Where there is none, that is no answer's fault."""
        try:
            self.receive(STARTING)
        except Lost as lost:
            raise Failed("Lost", f"the grader's own process did not start: {lost}") from None

    def _write(self, request: dict) -> None:
        """One that is dead can't be written to: `receive` says how it ended."""
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()

    def _cpu(self) -> float:
        try:
            times = psutil.Process(self.process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system

    def _excess(self, limit: float, waited: float) -> str:
        if self._cpu() - self.used > limit or waited > self.bounds.wall_seconds:
            return f"it kept the grader busy for more than {min(limit, waited):.0f} s"
        with contextlib.suppress(psutil.Error):
            if psutil.Process(self.process.pid).memory_info().rss > self.bounds.memory:
                return f"it took more than {self.bounds.memory >> 20:,} MB of memory"
        return ""

    def _how(self) -> str:
        """How it ended, if it did; one that only closed its pipe is ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(1)
            name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            return f"it ended the process that reads it ({name})"
        return "it ended the process that reads it"


def serve(answer: Callable[[dict], Iterable[dict]]) -> None:
    """Over there: reply to each request with the lines of answer(request), until the pipe ends."""
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # what anything prints is no reply
        for line in sys.stdin.buffer:
            try:
                for reply in answer(json.loads(line)):
                    _put(sink, reply)
            except Exception as error:
                _put(sink, {"failed": type(error).__name__, "said": str(error)[:1_000]})


def _put(sink, reply: dict) -> None:
    sink.write(json.dumps(reply).encode() + b"\n")
    sink.flush()
