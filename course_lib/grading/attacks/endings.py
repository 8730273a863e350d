"""Answers that end their process, or somebody else's, or never begin."""

from course_lib.grading.attacks._attack import attacks

ENDINGS = attacks(
    "ending",
    {
        "os._exit(0)": (
            """
import os
def ANSWER(*given):
    os._exit(0)
""",
            "ended without a reply",
        ),
        "sys.exit(0)": (
            """
import sys
def ANSWER(*given):
    sys.exit(0)
""",
            "SystemExit",
        ),
        "sys.exit(0) when imported": (
            """
import sys
sys.exit(0)
""",
            "did not load",
        ),
        "a KeyboardInterrupt": (
            """
def ANSWER(*given):
    raise KeyboardInterrupt
""",
            "KeyboardInterrupt",
        ),
        "a segfault": (
            """
import ctypes
def ANSWER(*given):
    ctypes.string_at(0)
""",
            "SIGSEGV",
        ),
        "abort": (
            """
import os
def ANSWER(*given):
    os.abort()
""",
            "SIGABRT",
        ),
        "a NUL in the source": (
            """
def ANSWER(*given):
    return 1\0
""",
            "did not load",
        ),
        "no Python at all": (
            """
def ANSWER(:
""",
            "SyntaxError",
        ),
        "brackets 2,000 deep": ("x = " + "(" * 2000 + ")" * 2000, "did not load", "ended"),
        "no such function": (
            """
x = 1
""",
            "no function",
        ),
        "endless recursion": (
            """
def ANSWER(*given):
    return ANSWER(*given)
""",
            "RecursionError",
        ),
        "an exception that can't be shown": (
            """
class Odd(Exception):
    def __str__(self): raise SystemExit
    __repr__ = __str__
def ANSWER(*given):
    raise Odd
""",
            "Odd",
        ),
        "kills the process above": (
            """
import os
def ANSWER(*given):
    os.kill(os.getppid(), 9)
""",
            "returned None",  # the first process of a space of its own: the kernel lets it live
        ),
        "kills everything it can": (
            """
import os
def ANSWER(*given):
    os.kill(-1, 9)
""",
            "No such process",
        ),
        "kills everything, ten times over, from a child": (
            """
import os
if os.fork() == 0:
    for _ in range(10):
        os.kill(-1, 9)
def ANSWER(*given):
    return None
""",
            "ended the worker",
            "ended by SIGKILL",
        ),
    },
)

ENDINGS += attacks(
    "ending",
    {
        "stops the process above": (
            """
import os, signal, time
def ANSWER(*given):
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(99)
""",
            "out of time",
        ),
    },
    quick=True,
)
