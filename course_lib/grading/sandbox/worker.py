"""The first process in the sandbox: forks a process for each answer, and ends it on request.

Lines from the judge come on stdin: `{"open": …}` starts an answer (answering.py), `{"close": …}`
ends it, the others are handed on to it. On stdout, lines that begin with "<" are the answer's own
words; lines with "=" are this process's: ready, and how the answer ended.

Importing torch is paid once, before the forks. What one answer leaves behind (processes, files) is
gone before the next is opened.
"""

import contextlib
import ctypes
import json
import os
import secrets
import select
import signal
import sys

from course_lib.checks.gradients import with_gradients
from course_lib.grading.sandbox.answering import answer

MAX_LINE = 16 << 20
MAX_OUTPUT = 96 << 20  # of one answer, all its calls together
DYING = 1.0  # seconds that a process which has closed its pipe may take to die
DUMPABLE = 4  # of prctl; 0: nobody of the same user may open this process's memory or files


class AnswerProcess:
    """The fork that runs one answer, and the pipes to it."""

    def __init__(self, job: dict):
        mine, self.into = os.pipe()
        self.out, its = os.pipe()
        self.pending, self.buffer, self.total = bytearray(), bytearray(), 0
        self.child = os.fork()
        if self.child == 0:
            self._become(job, mine, its)
        os.close(mine)
        os.close(its)
        os.set_blocking(self.into, False)
        os.set_blocking(self.out, False)
        self.died = os.pidfd_open(self.child)

    def _become(self, job: dict, mine: int, its: int) -> None:
        os.close(self.into)
        os.close(self.out)
        os.setsid()
        ctypes.CDLL(None).prctl(DUMPABLE, 1, 0, 0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        try:
            answer(job, mine, its, with_gradients)
        finally:
            os._exit(0)

    def push(self) -> None:
        """Hand on as much of the judge's lines as the pipe takes."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            del self.pending[: os.write(self.into, self.pending[: 1 << 16])]

    def pull(self, died: bool) -> str | None:
        """Pass on what the answer says; how it ended, if it has.

        died: its process is dead. What it said before is read all the same, and first: it may have
        been written between the look at the pipe and the look at the process.
        """
        try:
            part = os.read(self.out, 1 << 20)
        except BlockingIOError:
            return self.how() if died else None
        if not part:
            return self.how()
        self.buffer += part
        self.total += len(part)
        whole, found, rest = self.buffer.rpartition(b"\n")
        if found:
            self.buffer = rest
            say(b"".join(b"<" + line + b"\n" for line in whole.split(b"\n")))
        if len(self.buffer) > MAX_LINE or self.total > MAX_OUTPUT:
            return "too much output"
        return None

    def how(self) -> str:
        """How the fork ended. One that has just closed its pipe is given a moment to die."""
        select.select([self.died], [], [], DYING)
        found, status = os.waitpid(self.child, os.WNOHANG)
        if found and os.WIFSIGNALED(status):
            return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
        return "ended without a reply"

    def end(self, alone: bool) -> None:
        """End whatever the answer started, whatever session it is in, and clear its files."""
        with contextlib.suppress(ProcessLookupError):
            if alone:  # in a process space of our own: everyone but its first process and this one
                os.kill(-1, signal.SIGKILL)
            else:
                os.killpg(self.child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        for descriptor in (self.into, self.out, self.died):
            os.close(descriptor)
        if alone:
            for place in ("/tmp", "/dev/shm"):
                for name in os.listdir(place):
                    clear(os.path.join(place, name))


def clear(path: str) -> None:
    """Remove what an answer left. The interpreter may itself lie under /tmp: that stays.

    Folders without rights are given them, and folders in folders are brought up to one level
    first, since a path may be longer than the system takes, and deeper than Python recurses.
    """
    with contextlib.suppress(OSError):
        if os.path.ismount(path):
            return
        if any(prefix.startswith(path + "/") for prefix in (sys.prefix, sys.base_prefix)):
            for name in os.listdir(path):
                clear(os.path.join(path, name))
        elif os.path.isdir(path) and not os.path.islink(path):
            _clear_folder(path)
        else:
            os.remove(path)


def _clear_folder(path: str) -> None:
    """Remove a folder and all below it: each folder found is first moved beside the outermost."""
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        os.chmod(folder, 0o700)
        for name in os.listdir(folder):
            inner = os.path.join(folder, name)
            if os.path.isdir(inner) and not os.path.islink(inner):
                os.chmod(inner, 0o700)  # a folder that may not be written can't be moved
                moved = os.path.join(os.path.dirname(path), f".{secrets.token_hex(16)}")
                os.rename(inner, moved)
                waiting.append(moved)
            else:
                os.remove(inner)
        os.rmdir(folder)


def say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def serve(alone: bool) -> None:
    """Do what the judge asks, until it closes the pipe."""
    process, unread = None, b""
    while True:
        reads = [0, process.out, process.died] if process else [0]
        writes = [process.into] if process and process.pending else []
        readable, writable, _ = select.select(reads, writes, [])
        if 0 in readable:
            part = os.read(0, 1 << 20)
            if not part:
                return process.end(alone) if process else None
            *lines, unread = (unread + part).split(b"\n")
            for line in lines:
                process = obey(line, process, alone)
        elif process and (ended := attend(process, readable, writable)):
            process = over(process, ended, alone)


def obey(line: bytes, process: AnswerProcess | None, alone: bool) -> AnswerProcess | None:
    """Obey one line of the judge's. Returns the answer's process, if one runs afterwards.

    A close may come when the answer has ended by itself, with the next open right behind it.
    """
    if line.startswith(b'{"open"'):
        return AnswerProcess(json.loads(line)["open"])
    if process and line.startswith(b'{"close"'):
        return over(process, "closed", alone)
    if process:
        process.pending += line + b"\n"
    return process


def over(process: AnswerProcess, ended: str, alone: bool) -> None:
    """End an answer's process, and tell the judge how it ended."""
    process.end(alone)
    say(b"=" + json.dumps({"ended": ended}).encode() + b"\n")


def attend(process: AnswerProcess, readable: list, writable: list) -> str | None:
    """Pass on what can be passed on; how the answer ended, if it has."""
    if writable:
        process.push()
    if process.out in readable or process.died in readable:
        return process.pull(process.died in readable)
    return None


def main() -> None:
    import torch

    torch.set_num_threads(1)
    alone = sys.argv[1:] == ["alone"] and os.uname().nodename == "grader" and os.getpid() < 10
    if alone:  # a writable, empty folder is the only place where an answer may leave files
        os.chdir("/tmp")
        ctypes.CDLL(None).prctl(DUMPABLE, 0, 0, 0, 0)
    say(b'={"ready": true}\n')
    serve(alone)


if __name__ == "__main__":
    main()
