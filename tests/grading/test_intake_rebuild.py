"""An answer is rebuilt from the cells that it needs; what can't be taken along is said."""

import sys

import pytest

from course_lib.grading.intake.notebook import Cell
from course_lib.grading.intake.rebuild import parse, rebuild


def answer(*sources):
    cells = [Cell(i, source) for i, source in enumerate(sources, start=1)]
    return rebuild(parse(cells), "data/add", "my_add")


def value(*sources, x=1):
    space = {}
    exec(answer(*sources).source, space)
    return space["my_add"](x)


USES = "def my_add(x):\n    return helper(x)"


@pytest.mark.parametrize(
    "helper",
    [
        "helper = lambda x: x + 1",
        "from functools import partial\nimport operator\nhelper = partial(operator.add, 1)",
        "one = float('1')\nhelper = one.__add__",
        "try:\n    from math import nothing as helper\nexcept ImportError:\n"
        "    def helper(x):\n        return x + 1",
        "if len('ab') == 2:\n    helper = lambda x: x + 1\nelse:\n    helper = None",
        "from collections import namedtuple\nPair = namedtuple('Pair', 'a b')\n"
        "def helper(x):\n    return Pair(x, 1).a + Pair(x, 1).b",
        "table = {}\nfor i in range(9):\n    table[i] = i + 1\nhelper = table.get",
        "table = {}\ntable.update({1: 2})\nhelper = table.__getitem__",
        "with open('/dev/null') as f:\n    ONE = 1 + len(f.read())\nhelper = lambda x: x + ONE",
        "ONE = 0\nONE += 1\nhelper = lambda x: x + ONE",
        "(ONE, *rest), TWO = (1, 2), 3\nhelper = lambda x: x + ONE",
        "%time ONE = 1\nhelper = lambda x: x + ONE",
        "!pip install torch\nimport math\nhelper = lambda x: x + math.floor(1.5)",
        "%%time\nhelper = lambda x: x + 1",
        ">>> helper = lambda x: x + 1",
        "ONE = (7\n    % 3)\nimport math\nmath.pi?\nhelper = lambda x: x + ONE",
        "text = '''\n%abc\nis it?\n'''\n!ls\nhelper = lambda x: x + (text.count('%'))",
        "# is it?\n%matplotlib inline\nhelper = lambda x: x + 1  # so?",
        "class Helper:\n    def __call__(self, x):\n        return x + 1\nhelper = Helper()",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    n: int = 1\np = P()\n"
        "helper = lambda x: x + p.n",
        "import torch\ndevice = torch.device('cpu')\n"
        "helper = lambda x: (torch.tensor(x, device=device) + 1).item()",
    ],
)
def test_a_helper_in_another_cell_comes_along(helper):
    assert value("print('no')", helper, USES) == 2


@pytest.mark.parametrize(
    "other",
    [
        "raise SystemExit",
        "my_model = train()",
        "from course_lib import check\ncheck.add(my_add)",
        "x = 1 / 0",
        "get_ipython().run_line_magic('ls')",
    ],
)
def test_what_the_answer_does_not_need_stays_behind(other):
    assert value(other, "def my_add(x):\n    return x + 1", other) == 2


def test_what_rests_on_the_course_is_named_with_its_cell():
    made = answer(
        "from course_lib.world import names\nfirst = names()\nONE = 1",
        "def my_add(x):\n    return x + (ONE if x else first)",
    )
    space = {}
    exec(made.source, space)
    assert space["my_add"](1) == 2
    assert any("cell 1, line 2: left out, since it rests on course_lib" in p for p in made.problems)


def test_a_command_that_the_answer_needs_is_named_with_its_cell():
    made = answer("files = !ls", "def my_add(x):\n    return len(files)")
    assert any("cell 1: " in p and "a notebook's command" in p for p in made.problems)
    assert not answer("files = !ls", "def my_add(x):\n    return x").problems


def work(run):
    """How many calls of Python functions it takes; C's aren't seen, and neither is time."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


ADD = "def my_add(x):\n    return x0"


@pytest.mark.parametrize(
    "made",
    [
        lambda n: [" " * n + "x = 1", ADD],
        lambda n: ["a\n" + " " * n + "\nb c", ADD],
        lambda n: ["\n".join(f"x{i} = x{i + 1}" for i in range(n)), ADD],
        lambda n: [*(f"x{i} = x{i + 1}" for i in range(n)), ADD],
        lambda n: [" = ".join(f"x{i}" for i in range(n)) + " = 1", ADD],
        lambda n: ["%ls\n" * n + "b c", ADD],
        lambda n: ["x?\n" * n, ADD],
        lambda n: [
            "def f():\n" + "".join(f"    global y{i}\n    y{i} = 1\n" for i in range(n)),
            ADD,
        ],
    ],
    ids=["spaces", "blank", "statements", "cells", "targets", "commands", "helps", "globals"],
)
def test_reading_grows_no_faster_than_the_text(made):
    parse([Cell(1, "%ls")])  # what is imported once
    small, large = (work(lambda n=n: answer(*made(n))) for n in (1_000, 4_000))
    assert large < 6 * small + 20_000
