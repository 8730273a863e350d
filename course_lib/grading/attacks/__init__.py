"""Hostile answers, by theme: what the grader must survive, and is shown to survive.

The tests try each of them on the sandbox; `course grade --demo` puts some into its class.
"""

from course_lib.grading.attacks._attack import CANARY, Attack
from course_lib.grading.attacks.endings import ENDINGS
from course_lib.grading.attacks.forgeries import FORGERIES
from course_lib.grading.attacks.hogs import HOGS
from course_lib.grading.attacks.leaks import LEAKS
from course_lib.grading.attacks.outputs import OUTPUTS

ATTACKS: tuple[Attack, ...] = (*FORGERIES, *ENDINGS, *HOGS, *OUTPUTS, *LEAKS)

__all__ = ["ATTACKS", "CANARY", "ENDINGS", "FORGERIES", "HOGS", "LEAKS", "OUTPUTS", "Attack"]
