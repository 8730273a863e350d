"""Answers that take all the time, memory, processes or space there is."""

from course_lib.grading.attacks._attack import attacks

HOGS = attacks(
    "hog",
    {
        "an infinite loop": (
            """
def ANSWER(*given):
    while True: pass
""",
            "out of time",
        ),
        "an infinite loop when imported": (
            """
while True: pass
""",
            "out of time",
        ),
        "sleeps and ignores SIGTERM": (
            """
import signal, time
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
def ANSWER(*given):
    time.sleep(99)
""",
            "out of time",
        ),
        "catches every exception": (
            """
def ANSWER(*given):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
            "out of time",
        ),
        "a regular expression that hangs": (
            """
import re
def ANSWER(*given):
    return re.match(r"(a+)+$", "a" * 60 + "b")
""",
            "out of time",
        ),
        "six hungry children": (
            """
import os
def ANSWER(*given):
    for _ in range(6):
        if os.fork() == 0:
            kept = []
            while True:
                try: kept.append(bytearray(1 << 27))
                except MemoryError: pass
    while True: pass
""",
            "out of memory",
            "out of time",
        ),
        "200 forks": (
            """
import os, time
def ANSWER(*given):
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(60)
""",
            "BlockingIOError",
            "out of time",
            "out of memory",
        ),
        "a fork bomb": (
            """
import os
def ANSWER(*given):
    while True:
        try: os.fork()
        except OSError: pass
""",
            "out of time",
            "out of memory",
            "sent no JSON",
            "ended",
        ),
        "300 threads": (
            """
import threading, time
def ANSWER(*given):
    for _ in range(300):
        threading.Thread(target=time.sleep, args=(60,)).start()
""",
            "can't start new thread",
            "out of time",
        ),
    },
    quick=True,
)

HOGS += attacks(
    "hog",
    {
        "every thread, when imported": (
            """
import threading, time
try:
    while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
except RuntimeError: pass
HONEST
""",
            "can't start new thread",
        ),
        "a memory hog": (
            """
def ANSWER(*given):
    return len(bytearray(16 << 30))
""",
            "MemoryError",
        ),
        "a tensor of 16 GB": (
            """
import torch
def ANSWER(*given):
    return torch.ones(1 << 32).sum()
""",
            "allocate",
            "memory",
        ),
        "fills /tmp": (
            """
def ANSWER(*given):
    with open("/tmp/full", "wb") as file:
        for _ in range(64): file.write(bytes(1 << 20))
""",
            "File too large",
            "No space left",
            "SIGXFSZ",
        ),
        "fills /tmp with many files": (
            """
def ANSWER(*given):
    for i in range(64):
        with open(f"/tmp/{i}", "wb") as file: file.write(bytes(1 << 20))
""",
            "No space left",
        ),
        "fills /dev/shm": (
            """
def ANSWER(*given):
    for i in range(64):
        with open(f"/dev/shm/{i}", "wb") as file: file.write(bytes(1 << 20))
""",
            "No space left",
        ),
        "opens 1,000 files": (
            """
def ANSWER(*given):
    kept = [open("/dev/null") for _ in range(1_000)]
""",
            "Too many open files",
        ),
    },
)
