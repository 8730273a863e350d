"""Answers whose output is too much, of no kind, or made to break whoever reads it."""

from course_lib.grading.attacks._attack import attacks

OUTPUTS = attacks(
    "output",
    {
        "300 MB of output": (
            """
import os
def ANSWER(*given):
    for _ in range(300):
        for descriptor in (1, 2):
            os.write(descriptor, b"x" * (1 << 20))
""",
            "returned None",
        ),
        "a line that never ends": (
            """
import os
def ANSWER(*given):
    while True:
        for descriptor in range(3, 16):
            try: os.write(descriptor, b"x" * (1 << 16))
            except OSError: pass
""",
            "too much output",
            "out of time",
            "ended",
        ),
        "a line of five million lists": (
            """
import os
def ANSWER(*given):
    line = b'{"call": 0, "value": [' + b"[]," * 5_000_000 + b"[]]}\\n"
    for descriptor in range(3, 16):
        try:
            sent = 0
            while sent < len(line): sent += os.write(descriptor, line[sent : sent + (1 << 16)])
        except OSError: pass
""",
            "too much output",
            "sent no JSON",
        ),
        "a huge text": (
            """
def ANSWER(*given):
    return "x" * (1 << 28)
""",
            "bytes of tensors",
            "out of time",
        ),
        "a huge list": (
            """
def ANSWER(*given):
    return [0] * 10_000_000
""",
            "more than 100,000 values",
        ),
        "a list 100,000 deep": (
            """
def ANSWER(*given):
    value = []
    for _ in range(100_000):
        value = [value]
    return value
""",
            "nested deeper",
        ),
        "a list that contains itself": (
            """
def ANSWER(*given):
    value = []
    value.append(value)
    return value
""",
            "contains itself",
        ),
        "an integer of 4,000 digits": (
            """
def ANSWER(*given):
    return 10 ** 3_999
""",
            "wrong",
        ),
        "a dict with odd keys": (
            """
def ANSWER(*given):
    return {(1, 2): {1, 2}, None: b"\\xff", 2.5: {"\\ud800": 1}}
""",
            "wrong",
        ),
        "a pickle for an answer": (
            """
import os, pickle
class Bomb:
    def __reduce__(self): return os.system, ("touch /tmp/bomb",)
def ANSWER(*given):
    return Bomb()
""",
            "no plain form",
        ),
        "bytes of a pickle": (
            """
def ANSWER(*given):
    return b"cos\\nsystem\\n(S'touch /tmp/bomb'\\ntR."
""",
            "wrong",
        ),
        "a lazy tensor": (
            """
import torch
def ANSWER(*given):
    return torch.empty(1 << 40, device="meta")
""",
            "expected a dense one",
        ),
        "an expanded tensor of a terabyte": (
            """
import torch
def ANSWER(*given):
    return torch.zeros(1).expand(1 << 38)
""",
            "bytes of tensors",
        ),
        "escape sequences and HTML in an exception": (
            """
def ANSWER(*given):
    raise ValueError("\\x1b[2J\\x1b[31m<script>alert(1)</script>\\u202e \\x07")
""",
            "[31m<script>alert(1)</script>",
        ),
        "half characters in an exception": (
            """
def ANSWER(*given):
    raise ValueError("\\udcff\\ud800")
""",
            "ValueError",
        ),
        "a message of 10 MB": (
            """
def ANSWER(*given):
    raise ValueError("x" * 10_000_000)
""",
            "ValueError: xxx",
        ),
        "all the inputs in the message": (
            """
def ANSWER(*given):
    raise ValueError(repr([getattr(value, "tolist", lambda: value)() for value in given]))
""",
            "ValueError",
        ),
    },
)

OUTPUTS += attacks(
    "output",
    {
        "a right answer that prints any bytes (and passes)": (
            """
import sys
HONEST
inner = ANSWER
def ANSWER(*given):
    sys.stdout.buffer.write(b"\\xff\\xfe\\x00\\x1b[31m")
    print("looks fine", given)
    return inner(*given)
""",
            "passed",
        ),
    },
    most=1.0,
)
