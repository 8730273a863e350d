"""Inside the sandbox: run an answer, and send back what its function returned, as JSON.

Nothing here is trusted by the judge: a student's code shares this process's user and may kill it,
forge its output or rewrite it in memory. It gains nothing, since the right answers and the
comparison are outside. One job a line comes on stdin; one line goes back for each:

    {"source": …, "function": …, "calls": [[arguments], …], "seconds": …}
    {"status": "ran", "answers": [{"value": …} or {"error": …, "trace": …}, …]}

Each job runs in a fork of its own, so that importing torch is paid once, and what one answer leaves
behind doesn't meet the next.
"""

import contextlib
import json
import linecache
import os
import select
import signal
import sys
import time
import traceback

import wire

MAX_REPLY = 16 << 20
NAME = "answer.py"


def run_job(job: dict) -> dict:
    """Build the answer's module and call its function on every set of arguments."""
    space = {"__name__": "answer", "__builtins__": __builtins__}
    linecache.cache[NAME] = (len(job["source"]), None, job["source"].splitlines(True), NAME)
    try:
        exec(compile(job["source"], NAME, "exec"), space)
    except BaseException as error:
        return {"status": "did not load", "error": describe(error)}
    function = space.get(job["function"])
    if not callable(function):
        return {"status": "no function", "error": f"there is no function {job['function']!r}"}
    return {"status": "ran", "answers": [call(function, arguments) for arguments in job["calls"]]}


def call(function, arguments: list) -> dict:
    """One call: its value, or what it raised."""
    try:
        given = [wire.decode(argument) for argument in arguments]
        value = wire.encode(function(*given))
        return {"value": value, "changed": [wire.encode(a) for a in given] != arguments}
    except BaseException as error:
        return {"error": describe(error)}


def describe(error: BaseException) -> str:
    """The error and the answer's own frames, short, with nothing of this file in it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == NAME]
    lines = [f"  line {frame.lineno}: {(frame.line or '').strip()[:200]}" for frame in frames[-5:]]
    try:
        said = f"{type(error).__name__}: {error}"
    except BaseException:
        said = type(error).__name__
    return "\n".join([said[:1000], *lines]).encode("utf-8", "replace").decode()


def serve() -> None:
    """Fork for every job; the parent waits, ends what is left, and passes the reply on."""
    # A writable, empty folder is the only place where an answer may leave files.
    os.chdir("/tmp")
    for line in sys.stdin.buffer:
        job = json.loads(line)
        reply = in_a_fork(job)
        sys.stdout.buffer.write(reply.replace(b"\n", b" ") + b"\n")
        sys.stdout.buffer.flush()


def in_a_fork(job: dict) -> bytes:
    """The job's reply, or a status that says how it ended."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        reply = json.dumps(run_job(job)).encode()
        with contextlib.suppress(OSError), os.fdopen(sink, "wb") as pipe:
            pipe.write(reply + b"\n")
        os._exit(0)
    os.close(sink)
    reply, state = _read(source, time.monotonic() + job["seconds"])
    os.close(source)
    status = _end_all(child)
    if state != "read":
        return json.dumps({"status": state}).encode()
    if not reply:
        return json.dumps({"status": _how(status)}).encode()
    return reply


def _end_all(child: int) -> int:
    """End whatever the job started, in whichever session it hides; the child's exit status.

    In a process space of its own, "everyone else" (-1) is the job and what it left.
    """
    for _ in range(10):  # one that closed its pipe by dying needs a moment to be seen as dead
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            break
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return status if finished else os.waitpid(child, 0)[1]


def _read(source: int, deadline: float) -> tuple[bytes, str]:
    """One line from the pipe, or what it brings until everyone has closed it.

    Without the line's end, a child that the job left behind would hold the pipe open.
    """
    parts, size = [], 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([source], [], [], left)[0]:
            return b"", "out of time"
        part = os.read(source, 1 << 16)
        if not part:
            return b"".join(parts), "read"
        parts.append(part)
        size += len(part)
        if part.endswith(b"\n"):
            return b"".join(parts), "read"
        if size > MAX_REPLY:
            return b"", "too much output"


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return "ended without a reply"


if __name__ == "__main__":
    import torch  # noqa: F401  paid once, before the forks

    torch.set_num_threads(1)
    sys.stdout.buffer.write(b'{"status": "ready"}\n')
    sys.stdout.buffer.flush()
    serve()
