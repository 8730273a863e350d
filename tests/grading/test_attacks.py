"""Every hostile answer: its cause is named, it earns nothing, harms nothing, and ends."""

import time

import pytest

from course_lib.grading.attacks import ATTACKS, CANARY
from course_lib.grading.sandbox.pool import family

QUICK = 2.0  # seconds for an answer that runs until it is stopped
HONEST = "def my_double(x):\n    return 2 * x"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.theme}: {attack.name}")
def test_it_is_held_and_the_next_answer_is_served(attack, graded, outside):
    source = attack.against("my_double", HONEST, str(outside.path), outside.port)
    grade = graded(source, seconds=QUICK if attack.quick else 60.0)
    assert attack.held_by(grade), grade
    assert outside.path.read_text() == CANARY
    assert outside.heard == []
    after = graded(HONEST)
    assert (after.status, after.points) == ("passed", 10.0), after


def test_the_table_covers_the_themes():
    themes = {attack.theme for attack in ATTACKS}
    assert themes == {"forgery", "ending", "hog", "output", "leak"}
    assert len(ATTACKS) >= 80
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


def test_nothing_of_the_worker_is_left(worker, graded):
    """Last in this file: a process that hides in a session of its own goes with the worker."""
    graded(
        "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n"
        "        time.sleep(99)\ndef my_double(x):\n    return 2 * x",
        seconds=20,
    )
    left = family(worker.process.pid)
    assert left
    worker.close()
    deadline = time.monotonic() + 60
    while any(process.is_running() for process in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [process for process in left if process.is_running()]
