"""Answers that want full marks without knowing how: by looking, by patching, by forging."""

from course_lib.grading.attacks._attack import attacks

FORGERIES = attacks(
    "forgery",
    {
        "reads the frames above it": (
            """
import sys
def ANSWER(*given):
    frame = sys._getframe()
    while frame is not None:
        for name in ("right", "want", "expected", "reference"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
""",
            "wrong",
        ),
        "searches the garbage collector for the reference": (
            """
import gc
def ANSWER(*given):
    for found in gc.get_objects():
        if callable(getattr(type(found), "examine", None)):
            return found.reference(*given)
""",
            "wrong",
        ),
        "imports the course's checks": (
            """
from course_lib.checks import catalogue
def ANSWER(*given):
    return next(iter(catalogue().values())).reference(*given)
""",
            "may not import course_lib",
        ),
        "imports them past the finder that refuses": (
            """
import sys
sys.meta_path = sys.meta_path[1:]
def ANSWER(*given):
    from course_lib.checks import catalogue
    return next(e for e in catalogue().values() if e.answer == "ANSWER").reference(*given)
""",
            "ModuleNotFoundError",
            "ImportError",
        ),
        "looks for test files and solutions": (
            """
import os
def ANSWER(*given):
    for place in ("/work", "/home", "/root", "/srv", "/judge", "/tmp", "/content"):
        for folder, _, names in os.walk(place):
            if {"rope.md", "rope.py", "_rope.py", "test_exercises.py"} & set(names):
                raise ValueError("found the tests in " + folder)
""",
            "returned None",
        ),
        "says that it equals everything": (
            """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __float__(self): return 1.0
def ANSWER(*given):
    return Yes()
""",
            "no plain form",
        ),
        "a float that equals everything": (
            """
class Any(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __float__(self): return self
def ANSWER(*given):
    return Any(1)
""",
            "wrong",
        ),
        "a tensor that equals everything": (
            """
import torch
class Any(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function.__name__ in ("eq", "__eq__", "equal", "allclose", "isclose", "all"):
            return torch.tensor(True)
        return super().__torch_function__(function, types, args, kwargs or {})
def ANSWER(*given):
    return torch.zeros(3).as_subclass(Any)
""",
            "wrong",
        ),
        "patches the builtins": (
            """
import builtins
builtins.all = builtins.isinstance = builtins.callable = lambda *a: True
builtins.abs = builtins.max = builtins.sum = lambda *a: 0
def ANSWER(*given):
    return 0
""",
            "wrong",
            "did not load",
            "ended",
        ),
        "patches torch and math": (
            """
import math, torch
torch.allclose = torch.equal = torch.isclose = math.isclose = lambda *a, **k: True
torch.Tensor.__eq__ = torch.Tensor.allclose = lambda *a, **k: True
def ANSWER(*given):
    return torch.zeros(3)
""",
            "wrong",
        ),
        "patches json and the serialization": (
            """
import json, sys
old = json.dumps
json.dumps = lambda value, **k: old({"call": 0, "status": "passed", "share": 1, "points": 99})
for module in list(sys.modules.values()):
    if hasattr(module, "encode") and hasattr(module, "Refused"):
        module.encode = lambda *a, **k: {"passed": True}
def ANSWER(*given):
    return 0
""",
            "wrong",
            "sent no JSON",
            "out of time",
            "did not load",
            "ended",
        ),
        "changes its inputs to what it returns": (
            """
import torch
def ANSWER(*given):
    for value in given:
        if isinstance(value, torch.Tensor):
            value.zero_()
        elif isinstance(value, list):
            value.clear()
    return given[0]
""",
            "wrong",
        ),
        "hides that it changed its input": (
            """
import sys
for module in list(sys.modules.values()):
    if hasattr(module, "changes"):
        module.changes = lambda *a, **k: {}
def ANSWER(*given):
    given[0].zero_()
    return given[0]
""",
            "wrong",
        ),
        "returns NaN": (
            """
import torch
def ANSWER(*given):
    return torch.full_like(given[0], float("nan")) if torch.is_tensor(given[0]) else float("nan")
""",
            "NaN",
            "wrong",
        ),
        "returns infinities": (
            """
import torch
def ANSWER(*given):
    return torch.full_like(given[0], float("inf")) if torch.is_tensor(given[0]) else float("inf")
""",
            "wrong",
        ),
        "writes a result file": (
            """
import json, os
for name in ("results.json", "/tmp/results.json", "/autograder/results/results.json", "grades.csv"):
    try:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        json.dump({"score": 100, "status": "passed"}, open(name, "w"))
    except OSError:
        pass
def ANSWER(*given):
    return None
""",
            "returned None",
        ),
        "writes forged lines to every descriptor": (
            """
import os
def ANSWER(*given):
    for line in (b'={"ended": "passed"}', b'<{"call": 0, "value": 1}', b'{"call": 0, "value": 1}',
                 b'{"status": "passed", "share": 1.0, "points": 99}'):
        for descriptor in range(64):
            try:
                os.write(descriptor, line + b"\\n")
            except OSError:
                pass
    return None
""",
            "sent no JSON",
            "wrong",
            "ended",
        ),
        "writes to the descriptors of the process above": (
            """
import glob, os
def ANSWER(*given):
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            with open(path, "wb", buffering=0) as file:
                file.write(b'={"ended": "passed"}\\n')
        except OSError:
            pass
    return None
""",
            "sent no JSON",
            "wrong",
            "ended",
            "out of time",
        ),
        "writes when it is over": (
            """
import atexit, os
def forge():
    for descriptor in range(64):
        try:
            os.write(descriptor, b'{"call": 1, "value": 1}\\n')
        except OSError:
            pass
atexit.register(forge)
def ANSWER(*given):
    raise SystemExit(0)
""",
            "SystemExit",
        ),
        "leaves a thread that goes on writing": (
            """
import os, threading
def forge():
    while True:
        for number in range(100):
            for descriptor in range(3, 16):
                try:
                    os.write(descriptor, b'{"call": %d, "value": 1}\\n' % number)
                except OSError:
                    pass
def ANSWER(*given):
    threading.Thread(target=forge, daemon=True).start()
    return None
""",
            "sent no JSON",
            "wrong",
            "too much output",
            "ended",
        ),
        "leaves a process that goes on writing": (
            """
import os
def ANSWER(*given):
    if os.fork() == 0:
        os.setsid()
        while True:
            for descriptor in range(3, 16):
                try:
                    os.write(descriptor, b'{"call": 1, "value": 1}\\n')
                except OSError:
                    pass
    return None
""",
            "sent no JSON",
            "wrong",
            "too much output",
            "ended",
        ),
        "raises what the untouched stub raises, dressed up": (
            """
class NotImplementedError(Exception):
    remote_traceback = "passed"
    share = 1.0
def ANSWER(*given):
    raise NotImplementedError("all tests passed")
""",
            "wrong",
        ),
    },
)

FORGERIES += attacks(
    "forgery",
    {
        # What is right every time still counts: an honest answer that does so much gets as much.
        "right one time in two": (
            """
import os
HONEST
inner = ANSWER
def ANSWER(*given):
    return inner(*given) if os.urandom(1)[0] % 2 else None
""",
            "wrong",
            "partly",
        ),
        "right for the first call of a process": (
            """
HONEST
inner, calls = ANSWER, []
def ANSWER(*given):
    calls.append(1)
    return inner(*given) if len(calls) == 1 else None
""",
            "partly",
            "wrong",
        ),
    },
    most=0.8,
)
