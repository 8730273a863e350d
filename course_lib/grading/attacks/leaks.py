"""Answers that read what isn't theirs, write outside, call home, or wait for the next answer."""

from course_lib.grading.attacks._attack import attacks

LEAKS = attacks(
    "leak",
    {
        "reads a secret": (
            """
def ANSWER(*given):
    raise ValueError(open("PATH").read())
""",
            "FileNotFoundError",
        ),
        "reads the system's files": (
            """
def ANSWER(*given):
    found = []
    for path in ("/etc/passwd", "/etc/shadow", "/root/.bashrc", "/proc/1/environ", "/proc/1/mem"):
        try: found.append(open(path).read()[:20])
        except OSError: pass
    raise ValueError(f"found {len(''.join(found))} characters")
""",
            "found 0 characters",
        ),
        "reads the environment": (
            """
import os
def ANSWER(*given):
    raise ValueError("sees " + " ".join(sorted(os.environ)))
""",
            "sees HOME",
        ),
        "reads other processes": (
            """
import os
def ANSWER(*given):
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    for pid in seen:
        try:
            if pid != os.getpid(): open(f"/proc/{pid}/mem", "rb").read(1)
        except OSError: continue
    raise ValueError("few" if len(seen) < 9 else f"sees {len(seen)} processes")
""",
            "ValueError: few",
        ),
        "reads the judge's descriptors": (
            """
import os
def ANSWER(*given):
    found = []
    for path in ("/proc/%d/fd/0" % os.getppid(), "/proc/1/fd/0", "/proc/1/root/etc/passwd"):
        try: found.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError: pass
    raise ValueError(f"opened {len(found)}")
""",
            "opened 0",
        ),
        "writes outside": (
            """
import os, sys
def ANSWER(*given):
    done = 0
    for place in ("PATH", "/owned", "/usr/owned", "/judge/owned", "/etc/owned", "/sys/owned",
                  "/dev/owned", sys.prefix + "/owned", "/proc/sys/kernel/core_pattern"):
        try:
            with open(place, "w") as file: file.write("owned")
            done += 1
        except OSError: pass
    raise ValueError(f"wrote {done} files")
""",
            "wrote 0 files",
        ),
        "calls home": (
            """
import socket
def ANSWER(*given):
    socket.create_connection(("127.0.0.1", PORT), timeout=1).send(b"x")
""",
            "PermissionError",
        ),
        "calls home by a program": (
            """
import subprocess
def ANSWER(*given):
    code = "import socket; socket.create_connection(('127.0.0.1', PORT), timeout=1)"
    import sys
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    raise ValueError(done.stderr.splitlines()[-1])
""",
            "PermissionError",
            "Operation not permitted",
        ),
        "sends a datagram": (
            """
import socket
def ANSWER(*given):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT))
""",
            "PermissionError",
        ),
        "a namespace of its own": (
            """
import ctypes
def ANSWER(*given):
    libc = ctypes.CDLL(None, use_errno=True)
    done = [libc.unshare(flag) for flag in (0x10000000, 0x00020000, 0x40000000)]
    raise ValueError("none" if done == [-1] * 3 else f"unshare gave {done}")
""",
            "ValueError: none",
        ),
        "traces the process above": (
            """
import ctypes, os
def ANSWER(*given):
    libc = ctypes.CDLL(None, use_errno=True)
    done = [libc.ptrace(16, pid, 0, 0) for pid in (1, os.getppid())]
    raise ValueError("none" if done == [-1] * 2 else f"ptrace gave {done}")
""",
            "ValueError: none",
        ),
        "becomes root": (
            """
import os
def ANSWER(*given):
    done = 0
    for change in (os.setuid, os.setgid, os.chroot):
        try: change("/tmp" if change is os.chroot else 0); done += 1
        except OSError: pass
    raise ValueError(f"changed {done}, is root: {0 in (os.getuid(), os.geteuid())}")
""",
            "changed 0, is root: False",
        ),
        "raises its limits": (
            """
import resource
def ANSWER(*given):
    done = 0
    for what in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
        try: resource.setrlimit(what, (-1, -1)); done += 1
        except (OSError, ValueError): pass
    raise ValueError(f"raised {done}")
""",
            "raised 0",
        ),
        "shadows torch.py for the next answer": (
            """
import os, sys
for name in ("torch.py", "conftest.py", "sitecustomize.py", "usercustomize.py", "serialize.py"):
    open("/tmp/" + name, "w").write("import os; os._exit(0)")
sys.path.insert(0, "/tmp")
os.environ["PYTHONPATH"] = "/tmp"
def ANSWER(*given):
    return None
""",
            "returned None",
        ),
        "waits for the next answer": (
            """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            for descriptor in range(64):
                try: os.write(descriptor, b'{"call": 0, "value": 1}\\n')
                except OSError: pass
            time.sleep(0.01)
def ANSWER(*given):
    return None
""",
            "returned None",
            "sent no JSON",
            "wrong",
            "ended",
        ),
    },
)
