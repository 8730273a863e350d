"""A wall around a student's code: bubblewrap, a user of its own, limits, and a system-call filter.

`probe` tries the wall before anyone is graded: what is missing is named, with how to get it.
`Worker` is a process behind it that takes jobs as JSON lines (see worker.py). Everything that can
be misused is outside: no network, no files but the interpreter's (read-only) and a small /tmp.
"""

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
USER = 64001  # owns nothing on any usual system
# What an answer to an exercise never needs, and an escape might.
DENIED_CALLS = (
    "ptrace", "process_vm_readv", "process_vm_writev", "bpf", "perf_event_open", "keyctl",
    "add_key", "request_key", "mount", "umount2", "pivot_root", "chroot", "unshare", "setns",
    "userfaultfd", "kexec_load", "init_module", "finit_module", "delete_module", "reboot",
    "swapon", "swapoff", "open_by_handle_at", "io_uring_setup", "personality", "socket",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one worker may use. Sizes in bytes; ``wall`` is seconds a job."""

    cpu_seconds: int = 60
    wall: float = 20.0
    memory: int = 4 << 30
    processes: int = 64
    open_files: int = 128
    file_bytes: int = 16 << 20
    shm_bytes: int = 8 << 20
    tmp_bytes: int = 16 << 20
    reply_bytes: int = 24 << 20


class NoSandbox(RuntimeError):
    """The isolation can't be had here. The message names what is missing, and how to get it."""


class Worker:
    """A sandboxed process that runs jobs, one after the other. Use it as a context manager."""

    def __init__(self, limits: Limits = Limits()):  # noqa: B008  (frozen)
        self.limits = limits
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def run(self, source: str, function: str, calls: list[list]) -> dict:
        """The worker's reply to one job, or ``{"status": …}`` that says how it ended.

        A worker that was killed by its job is replaced for the next one.
        """
        job = {"source": source, "function": function, "calls": calls, "seconds": self.limits.wall}
        if self.process is None or self.process.poll() is not None:
            self._start()
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
            line = self._line(self.limits.wall + 1.0)
        except (BrokenPipeError, EOFError):
            self.close()
            return {"status": "ended the worker"}
        except TimeoutError:
            self.close()
            return {"status": "out of time"}
        except OverflowError:
            self.close()
            return {"status": "too much output"}
        return _plain(line)

    def close(self) -> None:
        """End the worker and all that it started: its process space goes with its first process."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()
            self.process.wait()
            self.process = None

    def _start(self) -> None:
        self.close()
        with _filter_file() as seccomp:
            self.process = subprocess.Popen(
                command(self.limits, seccomp.fileno()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[seccomp.fileno()],
                start_new_session=True,
                env={},
            )
        self.buffer = b""
        if _plain(self._line(60.0)).get("status") != "ready":
            self.close()
            raise NoSandbox("the sandboxed worker did not start; run: course grade --probe")

    def _line(self, seconds: float) -> bytes:
        """The next line of the worker's output, within the time and the size."""
        deadline, stream = time.monotonic() + seconds, self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise TimeoutError
            part = os.read(stream, 1 << 20)
            if not part:
                raise EOFError
            self.buffer += part
            if len(self.buffer) > self.limits.reply_bytes:
                raise OverflowError
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line


def _plain(line: bytes) -> dict:
    """A reply as a dict, whatever the worker sent."""
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        return {"status": "sent no JSON"}
    return reply if isinstance(reply, dict) else {"status": "sent no JSON"}


def command(limits: Limits, seccomp: int) -> list[str]:
    """The command line of a worker: drop the user, build the wall, set the limits, run Python."""
    as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    wall = [
        "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
        "--new-session", "--cap-drop", "ALL", "--hostname", "grader", *_mounts(),
        "--ro-bind", str(HERE / "worker.py"), "/judge/worker.py",
        "--ro-bind", str(HERE / "wire.py"), "/judge/wire.py",
        "--proc", "/proc", "--dev", "/dev",
        "--size", str(limits.shm_bytes), "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
        "--size", str(limits.tmp_bytes), "--tmpfs", "/tmp",
        "--clearenv", "--setenv", "HOME", "/tmp", "--setenv", "OMP_NUM_THREADS", "1",
        "--setenv", "PYTHONDONTWRITEBYTECODE", "1", "--setenv", "PYTHONPATH", "/judge", "--seccomp", str(seccomp),
    ]  # fmt: skip
    caps = [
        "prlimit", f"--as={limits.memory}", f"--cpu={limits.cpu_seconds}",
        f"--nproc={limits.processes}", f"--nofile={limits.open_files}",
        f"--fsize={limits.file_bytes}", "--core=0",
    ]  # fmt: skip
    python = [sys.executable, "-P", "-s", "/judge/worker.py"]
    return [*(as_user if os.geteuid() == 0 else []), *wall, *caps, *python]


def _mounts() -> list[str]:
    """Read-only: the system's programs and libraries, the interpreter, and its packages."""
    binds = ["--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "bin", "sbin"):
        if Path("/", name).is_symlink():
            binds += ["--symlink", f"usr/{name}", f"/{name}"]
        elif Path("/", name).exists():
            binds += ["--ro-bind", f"/{name}", f"/{name}"]
    for prefix in dict.fromkeys([sys.base_prefix, sys.prefix]):
        if not prefix.startswith("/usr"):
            binds += ["--ro-bind", str(_readable(Path(prefix))), prefix]
    return binds


@cache
def _readable(prefix: Path) -> Path:
    """The interpreter's folder, or a copy by hard links where the sandbox's user can't reach it.

    Under a home that only its owner may enter, such as /root, no other user reaches the
    interpreter. A folder of hard links elsewhere costs no space.
    """
    parents = [prefix, *prefix.parents]
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o005 == 0o005 for parent in parents):
        return prefix
    where = hashlib.sha256(str(prefix).encode()).hexdigest()[:12]
    copy = Path(tempfile.gettempdir()) / f"course-grading-python-{where}"
    if not copy.exists():
        building = Path(tempfile.mkdtemp(dir=copy.parent))
        shutil.copytree(prefix, building / "python", copy_function=_link, symlinks=True)
        os.chmod(building / "python", 0o755)
        with contextlib.suppress(OSError):  # another grader was quicker
            os.rename(building / "python", copy)
        shutil.rmtree(building, ignore_errors=True)
    return copy


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _filter_file():
    """The system-call filter as bubblewrap reads it: denied calls fail with EPERM."""
    import errno

    import pyseccomp

    rules = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    for name in DENIED_CALLS:
        with contextlib.suppress(OSError, RuntimeError):  # a call this kernel doesn't know
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    file = tempfile.TemporaryFile()
    rules.export_bpf(file)
    file.seek(0)
    return file
