"""Judges in processes of their own: what holds one busy, or ends it, costs nobody else."""

import os
import signal
from dataclasses import replace

import pytest

from course_lib.grading.batch import Key, grade_class
from course_lib.grading.judges import Judges
from course_lib.grading.outcome import Submission
from course_lib.grading.sandbox.bubblewrap import Limits
from tests.grading.conftest import HONEST, SECRET, exercises

DOUBLE, HELD = "test/double", "test/held"
TRAP = "import torch\ndef my_double(x):\n    return torch.full((4,), 12345.0)"
HOGS = {
    "a trap for the comparison": TRAP,
    "a huge set": "def my_double(x):\n    return set(range(99_000))",
    "keys of one hash": "def my_double(x):\n    return {i * (2**61 - 1) for i in range(900)}",
    "a long error": "def my_double(x):\n    raise KeyError('x' * 3_000_000)",
    "deep lists": "def my_double(x):\n    for _ in range(900):\n        x = [x]\n    return x",
}


def judges(seconds=3.0, **limits):
    return Judges(
        SECRET,
        Limits(start=300, wall_seconds=60.0, **limits),
        exercises="tests.grading.conftest:exercises",
        cpu_seconds=seconds,
    )


def both(student, held, double=HONEST):
    return Submission(student=student, answers={HELD: held, DOUBLE: double})


def test_what_holds_the_judge_costs_that_answer_alone(sandbox):
    with judges(seconds=2.0) as bench:
        result = bench.grade(both("hog", TRAP))
        trapped, fine = result.graded
        assert (trapped.status, trapped.points, fine.points) == ("out of time", 0, 10)
        assert "judge" in trapped.review and trapped.said
        assert bench.grade(both("honest", HONEST)).points == 20


def test_a_judge_that_is_ended_is_replaced(sandbox):
    with judges(seconds=60.0) as bench:
        assert bench.grade(both("ann", HONEST)).points == 20
        os.kill(bench.idle[0].process.pid, signal.SIGKILL)
        assert bench.grade(both("bob", HONEST)).points == 20


def test_an_unknown_exercise_is_refused_before_anything_starts():
    with judges() as bench, pytest.raises(ValueError, match="no exercise 'test/none'"):
        bench.grade(Submission(student="ann", answers={"test/none": ""}))


def test_no_honest_mark_moves_beside_hostile_neighbours(sandbox, tmp_path):
    wrong = HONEST.replace("2 *", "2 +")
    honest = [both("ann", HONEST), both("bob", HONEST, wrong), both("cy", wrong + "\n", "")]
    key = Key(secret=SECRET, exercises=exercises())
    hogs = [both(name, source + "\n", source) for name, source in HOGS.items()]
    mixed = [hogs[0], honest[0], hogs[1], hogs[2], honest[1], hogs[3], honest[2], hogs[4]]
    with judges(seconds=2.0) as bench:
        without = grade_class(honest, bench.grade, key, tmp_path / "a").results
        among = grade_class(mixed, bench.grade, key, tmp_path / "b", workers=3).results
    for one in honest:
        marks = [replace(g, seconds=0.0) for g in without[one.student].graded]
        assert [replace(g, seconds=0.0) for g in among[one.student].graded] == marks
    assert [without[s].points for s in ("ann", "bob", "cy")] == [20, 10, 0]
    assert not any(among[name].points for name in HOGS)
