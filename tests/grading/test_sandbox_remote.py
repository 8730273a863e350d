"""A remote answer is like a local one: values, exceptions, changed arguments, objects, threads."""

import errno
import platform
import threading

import pytest
import torch

from course_lib.checks.gradients import with_gradients
from course_lib.grading.sandbox.remote import AnswerError, Remote
from course_lib.grading.sandbox.session import Ended


@pytest.fixture
def remote(worker):
    """From a source, the function `answer` in the sandbox."""
    opened = []

    def build(source, seconds=60.0):
        context = worker.open(source, "answer", seconds)
        session, word = context.__enter__()
        opened.append(context)
        assert word == {"status": "loaded"}
        return Remote(worker, session)

    yield build
    for context in opened:
        context.__exit__(None, None, None)


def test_values_and_keywords(remote):
    answer = remote("def answer(x, *, by=2):\n    return {'by': by, 'x': x * by}")
    found = answer(torch.arange(3), by=5)
    assert found["by"] == 5
    assert torch.equal(found["x"], torch.tensor([0, 5, 10]))


def test_one_process_serves_all_calls_of_a_session(remote):
    answer = remote("calls = []\ndef answer(x):\n    calls.append(x)\n    return len(calls)")
    assert [answer(0), answer(0)] == [1, 2]


def test_changed_arguments_are_changed_here(remote):
    answer = remote(
        "def answer(x, rows, table, pair):\n    x.mul_(2)\n    rows.append(x.sum().item())\n"
        "    table['new'] = 1\n    pair[0].zero_()"
    )
    x, rows, table, pair = torch.ones(2), [0], {"old": torch.ones(1)}, (torch.ones(2), 3)
    answer(x, rows, table, pair)
    assert x.tolist() == [2, 2] and rows == [0, 4.0]
    assert set(table) == {"old", "new"} and pair[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        ("TypeError('no')", TypeError, "It raised TypeError: no"),
        ("NotImplementedError", NotImplementedError, "It raised NotImplementedError"),
        ("KeyError('k')", KeyError, "It raised KeyError: 'k'"),
        ("OSError(28, 'full')", OSError, "It raised OSError: [Errno 28] full"),
        ("FileNotFoundError(2, 'gone')", FileNotFoundError, "[Errno 2] gone"),
        ("type('Mine', (ValueError,), {})('odd')", AnswerError, "It raised Mine: odd"),
        ("SystemExit(0)", AnswerError, "It raised SystemExit: 0"),
        ("UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')", UnicodeDecodeError, "bad"),
    ],
)
def test_exceptions_arrive_as_their_builtin_class_with_the_answers_own_lines(
    remote, raised, kind, said
):
    answer = remote(f"def answer():\n    raise {raised}")
    with pytest.raises(Exception) as caught:
        answer()
    assert type(caught.value) is kind
    assert said in caught.value.remote_traceback
    assert 'File "your answer", line 2, in answer\n    raise ' in caught.value.remote_traceback
    assert "grading" not in caught.value.remote_traceback
    if isinstance(caught.value, OSError):
        assert caught.value.errno in (2, 28)


def test_gradients_are_taken_over_there_and_equal_ours(remote):
    source = "def answer(x, w):\n    return (x @ w).tanh()"
    x, w = torch.randn(3, 4), torch.randn(4, 2)
    value, slopes = remote(source).with_gradients((0, 1))(x, w)
    right, right_slopes = with_gradients(lambda x, w: (x @ w).tanh(), (0, 1))(x, w)
    torch.testing.assert_close(value, right.detach())
    torch.testing.assert_close(slopes, right_slopes)


class Disk:
    """A judge's object, some of which an answer may use."""

    REMOTE = ("write", "read", "fill", "self")
    REMOTE_READ = ("name",)

    def __init__(self):
        self.name, self.files, self.secret = "disk", {}, "secret"

    def write(self, name, content):
        self.files[name] = content

    def read(self, name):
        if name not in self.files:
            raise FileNotFoundError(2, f"no file {name!r}")
        return self.files[name]

    def fill(self, tensor, value=7):
        tensor.fill_(value)

    def self(self):
        return self

    def hidden(self):
        return self.secret


def test_an_answer_uses_the_declared_methods_of_our_object(remote):
    answer = remote(
        "import torch\ndef answer(disk):\n    disk.write('a', b'12')\n    x = torch.zeros(2)\n"
        "    disk.fill(x, value=3)\n    disk.self().write('x', x)\n"
        "    try: disk.read('none')\n    except OSError as error: gone = error.errno\n"
        "    return disk, gone, disk.name, disk.read('a')"
    )
    disk = Disk()
    same, gone, name, content = answer(disk)
    assert same is disk and (gone, name, content) == (2, "disk", b"12")
    assert disk.files["x"].tolist() == [3, 3]


@pytest.mark.parametrize(
    "line",
    [
        "disk.hidden()",
        "disk.secret",
        "disk.__dict__['files']",
        "__import__('answering')",
    ],
)
def test_nothing_else_of_our_object_is_there(remote, line):
    with pytest.raises((AttributeError, KeyError, ImportError)):
        remote(f"def answer(disk):\n    return {line}")(Disk())


FORGED = """
import sys
talk = sys._getframe(1).f_locals["talk"]
def answer(disk):
    talk.send({"call": 0, "ask": %s, "handle": %s, "arguments": %s, "keywords": {"dict": []}})
    return talk.replies[0].get()["error"]["said"]
"""


@pytest.mark.parametrize(
    ("ask", "handle", "arguments", "said"),
    [
        ('"hidden"', "0", "[]", "has no method 'hidden'"),
        ('"__init__"', "0", "[]", "has no method '__init__'"),
        ('"read"', "7", "[]", "no such object"),
        ('"read"', "-1", "[]", "no such object"),
        ('["read"]', "0", "[]", "has no method"),
        ('"read"', "0", '{"pickle": 1}', "not a value"),
        ('"read"', "0", '"text"', "no arguments"),
    ],
)
def test_forged_requests_reach_nothing(remote, ask, handle, arguments, said):
    assert said in remote(FORGED % (ask, handle, arguments))(Disk())


class Exchange:
    """What ranks on threads exchange values through."""

    REMOTE, REMOTE_READ = ("exchange",), ("rank",)

    def __init__(self, rank, places, barrier):
        self.rank, self.places, self.barrier = rank, places, barrier

    def exchange(self, value):
        self.places[self.rank] = value
        self.barrier.wait(timeout=60)
        return self.places[(self.rank - 1) % len(self.places)]


def test_four_calls_at_once_may_wait_for_each_other(remote):
    answer = remote("def answer(ranks):\n    return ranks.exchange(10 * ranks.rank)")
    barrier, places, found = threading.Barrier(4), [None] * 4, [None] * 4

    def run(rank):
        found[rank] = answer(Exchange(rank, places, barrier))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [30, 0, 10, 20]


def test_the_end_reaches_every_call_that_waits(remote):
    answer = remote("def answer():\n    while True: pass", seconds=5.0)
    ended = []

    def run():
        try:
            answer()
        except Ended as error:
            ended.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ended == ["out of time"] * 3
    with pytest.raises(Ended):
        answer()


@pytest.mark.parametrize(
    "call", ["pidfd_getfd", "ptrace", "process_vm_readv", "process_vm_writev", "shmget", "msgget"]
)
def test_calls_into_other_processes_are_refused(remote, call):
    numbers = {"x86_64": (438, 101, 310, 311, 29, 68), "aarch64": (438, 117, 270, 271, 194, 186)}
    names = ("pidfd_getfd", "ptrace", "process_vm_readv", "process_vm_writev", "shmget", "msgget")
    number = numbers[platform.machine()][names.index(call)]
    answer = remote(
        "import ctypes\ndef answer(n):\n    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    return libc.syscall(n, 0, 0, 0, 0, 0, 0), ctypes.get_errno()"
    )
    assert answer(number) == (-1, errno.EPERM)


def test_the_first_process_shows_no_path_of_the_host(remote):
    answer = remote("def answer(x):\n    return open('/proc/1/cmdline').read()")
    assert "bind" not in answer(0) and "course-grading" not in answer(0)


def test_integers_of_4000_digits_are_an_answer(remote):
    answer = remote("def answer(x):\n    return 10 ** x")
    assert answer(4_000) == 10**4_000


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
@pytest.mark.parametrize(
    "left",
    [
        "os.makedirs(place + '/a/b/c'); open(place + '/a/b/f', 'w').close()\n"
        "    os.chmod(place + '/a/b', 0); os.chmod(place + '/a', 0)",
        "os.chdir(place)\n    for i in range(150):\n        os.mkdir('d' * 99); os.chdir('d' * 99)",
        "os.chdir(place)\n    for i in range(1500):\n        os.mkdir('d'); os.chdir('d')",
    ],
    ids=["no rights", "long", "deep"],
)
def test_no_folder_survives_to_the_next_answer(worker, place, left):
    look = "import os\ndef answer(place):\n    return os.listdir(place)"
    with worker.open(look, "answer", 60.0) as (session, _):
        before = Remote(worker, session)(place)  # the course itself, where it lies in /tmp
    source = f"import os\ndef answer(place):\n    {left}\n    return 1"
    with worker.open(source, "answer", 60.0) as (session, _):
        assert Remote(worker, session)(place) == 1
    with worker.open(look, "answer", 60.0) as (session, _):
        assert Remote(worker, session)(place) == before
