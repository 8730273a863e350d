"""Try each feature of the sandbox, from inside, before anyone is graded.

`probe()` gives (it holds, what, how to get it) for each; `require()` raises NoSandbox where one
doesn't hold.
"""

import json
import os
import shutil
import subprocess
from functools import cache

from course_lib.grading.sandbox.bubblewrap import (
    HOW,
    USER,
    Limits,
    NoSandbox,
    command,
    seccomp_filter,
)

TOOLS = {"bwrap": "bubblewrap", "setpriv": "util-linux", "prlimit": "util-linux"}
NAMESPACES = (
    "sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04); in a container, "
    "start it with --security-opt seccomp=unconfined --cap-add SYS_ADMIN, or grade on the host"
)
# What is tried inside: name -> whether it holds. Every line ends a way out.
INSIDE = """
import ctypes, errno, json, os, resource, socket, sys
def fails(action):
    try: action()
    except OSError: return True
    return False
def fills(path, size):
    def write():
        with open(path, "wb") as file:
            for _ in range(size // (1 << 20) + 1): file.write(bytes(1 << 20))
    held = fails(write)
    os.remove(path)
    return held
limits, root, outside = map(json.loads, sys.argv[1:])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
libc = ctypes.CDLL(None, use_errno=True)
print(json.dumps({
    "user": os.getuid() == root if root else os.getuid() != 0,
    "capabilities": int(status["CapEff"], 16) == 0 and int(status["NoNewPrivs"]) == 1,
    "network": os.readlink("/proc/self/ns/net") != outside["net"]
               and fails(lambda: socket.create_connection(("127.0.0.1", 22), timeout=1))
               and open("/proc/net/dev").read().count(":") <= 1,
    "filesystem": all(fails(lambda p=p: open(p, "w")) for p in
                      ("/x", "/usr/x", "/judge/x", "/dev/x", sys.prefix + "/x")),
    "files": not os.path.exists("/etc/passwd") and not os.path.exists("/sys/kernel"),
    "tmp": fills("/tmp/x", limits["tmp_bytes"]) and fills("/dev/shm/x", limits["shm_bytes"]),
    "processes": os.readlink("/proc/self/ns/pid") != outside["pid"]
                 and len([n for n in os.listdir("/proc") if n.isdigit()]) < 6,
    "namespaces": libc.unshare(0x10000000) == -1 and os.readlink("/proc/self/ns/user") != "",
    "filter": int(status["Seccomp"]) == 2 and libc.ptrace(16, 1, 0, 0) == -1,
    "limits": [resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1] for name in
               ("AS", "CPU", "NPROC", "NOFILE", "FSIZE")]
              == [limits[name] for name in
                  ("memory", "cpu_seconds", "processes", "open_files", "file_bytes")],
}))
"""
FEATURES = {
    "user": ("a user of its own, never root", "start as root or as an ordinary user, with setpriv"),
    "capabilities": ("no capabilities, no new privileges", HOW),
    "network": ("no network", NAMESPACES),
    "filesystem": ("nothing outside can be written", NAMESPACES),
    "files": ("the machine's own files can't be seen", NAMESPACES),
    "tmp": ("/tmp and /dev/shm of its own, with a limit", "bubblewrap >= 0.7: " + HOW),
    "processes": ("a process space of its own", NAMESPACES),
    "namespaces": ("no further namespaces", "bubblewrap >= 0.8 (--disable-userns): " + HOW),
    "filter": ("a system-call filter", HOW),
    "limits": ("limits of memory, time, processes, files", "apt install util-linux"),
}


@cache
def probe() -> tuple[tuple[bool, str, str], ...]:
    """(it holds, what, how to get it) for each feature of the sandbox."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        packages = sorted({TOOLS[tool] for tool in missing})
        return ((False, f"the programs {', '.join(missing)}", f"apt install {' '.join(packages)}"),)
    try:
        held, said = _from_inside(Limits())
    except NoSandbox as error:
        return ((False, "the sandbox", str(error)),)
    if held is None:
        return ((False, f"a process in the sandbox ({said})", NAMESPACES),)
    rows = [(bool(held.get(name)), what, how) for name, (what, how) in FEATURES.items()]
    return ((True, "the programs " + ", ".join(TOOLS), ""), *rows)


def require() -> None:
    """Raises NoSandbox that names every missing feature and how to turn it on."""
    missing = [f"{what} is missing. {how}" for held, what, how in probe() if not held]
    if missing:
        raise NoSandbox("no safe sandbox here: " + "; ".join(missing))


def _from_inside(limits: Limits) -> tuple[dict | None, str]:
    """Feature -> whether it holds; None, and why, where nothing could be run in the sandbox."""
    expected = USER if os.geteuid() == 0 else 0
    outside = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("net", "pid")}
    program = ["-c", INSIDE, *map(json.dumps, (vars(limits), expected, outside))]
    with seccomp_filter() as file:
        try:
            done = subprocess.run(
                command(limits, file.fileno(), program),
                pass_fds=[file.fileno()],
                capture_output=True,
                text=True,
                timeout=120,
                env={},
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, str(error)
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        return None, done.stderr.strip()[-300:] or f"exit status {done.returncode}"
