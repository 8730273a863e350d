"""The sandbox: bubblewrap, a user of its own, limits, and a system-call filter.

`command` is the command line of a process in it. There is no network in there, and no file but the
interpreter's (read-only) and a small /tmp. probe.py tries all of this.
"""

import atexit
import contextlib
import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]  # the package course_lib
INSIDE = (
    "grading/sandbox/worker.py",
    "grading/sandbox/answering.py",
    "grading/sandbox/serialize.py",
    "checks/gradients.py",
)
BESIDE = ("solutions", "tests", "exercises", "book")  # of a source checkout, where it is mounted
USER = 64001  # owns nothing on any usual system
HOW = "apt install bubblewrap libseccomp2 util-linux; pip install pyseccomp"
# What an answer to an exercise never needs, and an escape might.
DENIED_CALLS = (
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "pidfd_getfd",
    "kcmp",
    "shmget",  # System V's memory, queues and semaphores outlive the process that made them
    "shmat",
    "shmctl",
    "msgget",
    "semget",
    "mq_open",
    "bpf",
    "perf_event_open",
    "keyctl",
    "add_key",
    "request_key",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "userfaultfd",
    "kexec_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "open_by_handle_at",
    "io_uring_setup",
    "personality",
    "socket",
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one worker may use. Sizes in bytes; ``wall_seconds``: how long an exercise may take.

    memory: of one process (address space). resident: of all a worker's processes together.
    """

    cpu_seconds: int = 120
    wall_seconds: float | int = 20.0
    start: float | int = 90.0
    memory: int = 4 << 30
    resident: int = 3 << 30
    processes: int = 64
    open_files: int = 128
    file_bytes: int = 16 << 20
    shm_bytes: int = 8 << 20
    tmp_bytes: int = 16 << 20
    line_bytes: int = 24 << 20
    output_bytes: int = 128 << 20


class NoSandbox(RuntimeError):
    """The isolation can't be had here. The message names what is missing, and how to get it."""


def command(limits: Limits, seccomp: int, program: list[str]) -> list[str]:
    """Change the user, build the sandbox, set the limits, run the interpreter with ``program``."""
    as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    sandbox = [
        "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--as-pid-1",  # else process 1 is bwrap, whose command line shows the host's paths
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--hostname",
        "grader",
        "--size",
        str(limits.tmp_bytes),
        "--tmpfs",
        "/tmp",
        *_mounts(),  # after /tmp: the interpreter itself may lie there
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        str(limits.shm_bytes),
        "--tmpfs",
        "/dev/shm",
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
        "--clearenv",
        "--seccomp",
        str(seccomp),
    ]
    for name, value in environment().items():
        sandbox += ["--setenv", name, value]
    caps = [
        "prlimit",
        f"--as={limits.memory}",
        f"--cpu={limits.cpu_seconds}",
        f"--nproc={limits.processes}",
        f"--nofile={limits.open_files}",
        f"--fsize={limits.file_bytes}",
        "--core=0",
    ]
    python = [sys.executable, "-P", "-s", *program]
    return [*(as_user if os.geteuid() == 0 else []), *sandbox, *caps, *python]


def environment() -> dict[str, str]:
    """The environment of a worker: nothing of the judge's own."""
    return {
        "HOME": "/tmp",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "/judge",
        "PYTHONUTF8": "1",
    }


def _mounts() -> list[str]:
    """Read-only: the system's programs and libraries, the interpreter, and its packages.

    Of course_lib only what the worker runs: with the rest, an answer could call the reference.
    """
    shown = [Path("/usr")]
    binds = ["--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "bin", "sbin"):
        if Path("/", name).is_symlink():
            binds += ["--symlink", f"usr/{name}", f"/{name}"]
        elif Path("/", name).exists():
            binds += ["--ro-bind", f"/{name}", f"/{name}"]
    for prefix in dict.fromkeys([sys.base_prefix, sys.prefix]):
        if not prefix.startswith("/usr"):
            binds += ["--ro-bind", str(readable(Path(prefix))), prefix]
            shown.append(Path(prefix))
    places = {path / ROOT.name for path in map(Path, sys.path) if path.is_absolute()} | {ROOT}
    if (ROOT.parent / "pyproject.toml").exists():
        places |= {ROOT.parent / name for name in BESIDE}
    for place in sorted(places):
        if place.is_dir() and any(place.is_relative_to(path) for path in shown):
            binds += ["--tmpfs", str(place), "--remount-ro", str(place)]
    for name in INSIDE:
        binds += ["--ro-bind", str(copied_out(name)), f"/judge/{ROOT.name}/{name}"]
    return binds


@cache
def _own_folder() -> Path:
    """A folder of this process that the sandbox's user can read."""
    folder = Path(tempfile.mkdtemp(prefix="course-grading-inside-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def copied_out(name: str) -> Path:
    """A copy of one of the worker's files: the checkout may lie where only its owner can read."""
    target = _own_folder() / name.replace("/", "-")
    shutil.copyfile(ROOT / name, target)
    target.chmod(0o644)
    return target


@cache
def readable(prefix: Path) -> Path:
    """The interpreter's folder, or a copy by hard links where the sandbox's user can't reach it.

    Under a home that only its owner may enter, such as /root, no other user reaches the
    interpreter. A folder of hard links elsewhere costs no space. Its name holds the age of the
    interpreter's folders, so that one with other packages is another copy. Raises NoSandbox where
    somebody else has made a folder of that name.
    """
    parents = [prefix, *prefix.parents]
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o005 == 0o005 for parent in parents):
        return prefix
    packages = prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    ages = [
        p.stat().st_mtime_ns
        for p in (prefix, prefix / "bin", packages, packages / "site-packages")
        if p.exists()
    ]
    name = hashlib.sha256(f"{prefix} {sys.version} {ages}".encode()).hexdigest()[:12]
    copy = Path(tempfile.gettempdir()) / f"course-grading-python-{name}"
    if not copy.exists():
        building = Path(tempfile.mkdtemp(dir=copy.parent))
        shutil.copytree(prefix, building / "python", copy_function=_link, symlinks=True)
        os.chmod(building / "python", 0o755)
        with contextlib.suppress(OSError):  # another grader was quicker
            os.rename(building / "python", copy)
        shutil.rmtree(building, ignore_errors=True)
    found = copy.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise NoSandbox(f"{copy} is not this user's own folder: remove it, or set TMPDIR")
    return copy


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextlib.contextmanager
def seccomp_filter() -> Iterator[IO[bytes]]:
    """The system-call filter as bubblewrap reads it: denied calls fail with EPERM.

    Raises NoSandbox where libseccomp or pyseccomp isn't there.
    """
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        raise NoSandbox(f"the system-call filter: {error}. How to get it: {HOW}") from error
    rules = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    for name in DENIED_CALLS:
        with contextlib.suppress(OSError, RuntimeError):  # a call this kernel doesn't know
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        yield file
