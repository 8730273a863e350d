"""The wall: whatever an answer does, it ends in time, harms nothing, and the next one is served."""

import os
import shutil
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch

from course_lib.grading import wire
from course_lib.grading.sandbox import Limits, Worker

needs = [tool for tool in ("bwrap", "setpriv", "prlimit") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(needs), reason=f"not installed: {', '.join(needs)}")

HONEST = "def double(x):\n    return 2 * x"
LIMITS = Limits(wall=3.0)


@pytest.fixture(scope="module")
def worker():
    with Worker(LIMITS) as running:
        running.run(HONEST, "double", [[1]])
        yield running


def run(worker, source, *arguments):
    return worker.run(source, "answer", [[wire.encode(a) for a in arguments]])


def test_an_honest_answer_comes_back(worker):
    x = torch.randn(3, 4)
    reply = worker.run(HONEST, "double", [[wire.encode(x)], [wire.encode(1.5)]])
    assert torch.equal(wire.decode(reply["answers"][0]["value"]), 2 * x)
    assert wire.decode(reply["answers"][1]["value"]) == 3.0


def test_a_changed_argument_is_noticed(worker):
    reply = run(worker, "def answer(x):\n    return x.mul_(2)", torch.ones(2))
    assert reply["answers"][0]["changed"]


HOSTILE = {
    "an infinite loop": ("def answer():\n    while True: pass", "out of time"),
    "ignores SIGTERM": (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "def answer():\n    time.sleep(60)",
        "out of time",
    ),
    "catches everything": (
        "def answer():\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass",
        "out of time",
    ),
    "a regex that hangs": (
        "import re\ndef answer():\n    return re.match(r'(a+)+$', 'a' * 60 + 'b')",
        "out of time",
    ),
    "os._exit(0)": ("import os\ndef answer():\n    os._exit(0)", "ended without a reply"),
    "sys.exit(0)": ("import sys\ndef answer():\n    sys.exit(0)", "SystemExit"),
    "exit at import": ("import sys\nsys.exit(0)", "SystemExit"),
    "a segfault": ("import ctypes\ndef answer():\n    ctypes.string_at(0)", "SIGSEGV"),
    "NUL in the source": ("def answer():\n    return 1\0", "did not load"),
    "no function": ("x = 1", "no function"),
    "kills the worker": ("import os\nos.kill(os.getppid(), 9)", "ended the worker"),
    "kills everything": ("import os\nos.kill(-1, 9)", "ended the worker"),
    "a memory hog": ("def answer():\n    return len(bytearray(16 << 30))", "MemoryError"),
    "six hungry children": (
        "import os\ndef answer():\n    for _ in range(6):\n        if os.fork() == 0:\n"
        "            while True: bytearray(1 << 30)\n    while True: pass",
        "out of time",
    ),
    "200 forks": (
        "import os, time\ndef answer():\n    for _ in range(200):\n        if os.fork() == 0:\n"
        "            time.sleep(60)\n    return 1",
        "BlockingIOError",
    ),
    "300 threads": (
        "import threading, time\ndef answer():\n    for _ in range(300):\n"
        "        threading.Thread(target=time.sleep, args=(60,)).start()\n    return 1",
        "can't start new thread",
    ),
    "300 MB of output": (
        "import os\ndef answer():\n    for _ in range(300):\n"
        "        for fd in (1, 2):\n            os.write(fd, b'x' * (1 << 20))\n    return 'quiet'",
        "quiet",
    ),
    "a huge return": ("def answer():\n    return 'x' * (1 << 30)", "bytes of tensors"),
    "returns itself": ("def answer():\n    a = []\n    a.append(a)\n    return a", "contains itself"),
    "a full /tmp": (
        "def answer():\n    with open('/tmp/full', 'wb') as f:\n"
        "        for _ in range(64): f.write(bytes(1 << 20))",
        "Error",
    ),
    "a full /dev/shm": (
        "def answer():\n    for i in range(64):\n"
        "        open(f'/dev/shm/{i}', 'wb').write(bytes(1 << 20))",
        "No space left",
    ),
    "invalid UTF-8 in an exception": (
        "def answer():\n    raise ValueError('\\udcff\\x1b[31m<script>')",
        "ValueError",
    ),
    "a pickle for an answer": (
        "import pickle, os\nclass Bomb:\n    def __reduce__(self):\n"
        "        return os.system, ('touch /tmp/bomb',)\ndef answer():\n    return Bomb()",
        "no plain form",
    ),
    "a namespace of its own": (
        "import ctypes\ndef answer():\n    return ctypes.CDLL(None).unshare(0x10000000)",
        "-1",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_held_and_the_next_is_served(worker, name):
    source, cause = HOSTILE[name]
    began = time.monotonic()
    reply = run(worker, source)
    assert time.monotonic() - began < LIMITS.wall + 2
    assert cause in str(reply)
    x = torch.ones(2)
    after = worker.run(HONEST, "double", [[wire.encode(x)]])
    assert torch.equal(wire.decode(after["answers"][0]["value"]), 2 * x)


def test_a_correct_answer_may_print_any_bytes(worker):
    source = "import sys\ndef answer():\n    sys.stdout.buffer.write(b'\\xff\\xfe')\n    return 7"
    assert run(worker, source)["answers"][0]["value"] == 7


def test_forged_lines_on_every_descriptor_are_not_the_reply(worker):
    source = (
        "import os\ndef answer():\n    for fd in range(3, 64):\n        try:\n"
        "            os.write(fd, b'{\"status\": \"ran\", \"answers\": [{\"value\": 42}]}\\n')\n"
        "        except OSError: pass\n    return 1"
    )
    reply = run(worker, source)
    assert "42" not in str(reply.get("answers", "")) or reply["status"] == "sent no JSON"


def test_secrets_can_be_neither_read_nor_changed(worker, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("secret")
    os.chmod(canary, 0o666)
    places = [str(canary), "/etc/passwd", "/root", str(Path(__file__)), "/proc/1/environ"]
    source = (
        f"places = {places!r}\nimport os\ndef answer():\n    found = []\n    for p in places:\n"
        "        try: found.append(open(p).read() if not os.path.isdir(p) else os.listdir(p))\n"
        "        except OSError: pass\n        try: open(p, 'w').write('owned')\n"
        "        except OSError: pass\n    return repr(found)"
    )
    said = run(worker, source)["answers"][0]["value"]
    assert "secret" not in said and "root:" not in said and "PATH=" not in said
    assert canary.read_text() == "secret"


def test_no_connection_leaves(worker):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        port = listener.getsockname()[1]
        source = (
            "import socket\ndef answer():\n"
            f"    socket.create_connection(('127.0.0.1', {port}), timeout=1).send(b'x')"
        )
        reply = run(worker, source)
        assert "PermissionError" in str(reply)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_nothing_is_left_behind():
    before = {p.pid for p in psutil.process_iter()}
    with Worker(LIMITS) as alone:
        run(alone, "import os, time\ndef answer():\n    if os.fork() == 0: time.sleep(99)\n    return 1")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = [p for p in psutil.process_iter(["uids"]) if p.pid not in before
                and p.info["uids"] and p.info["uids"].real == 64001]  # fmt: skip
        if not left:
            break
        time.sleep(0.1)
    assert not left


def test_threads_of_the_judge_can_each_have_a_worker():
    replies = []

    def one(i):
        with Worker(LIMITS) as own:
            replies.append(own.run(HONEST, "double", [[i]])["answers"][0]["value"])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(replies) == [0, 2]
