"""Instant checks of the exercises: one package a stem.

In a notebook: `from course_lib.checks import architecture as check`, then `check.rope(my_rope)`.
A check answers at once and names the mistake it recognises. The grader uses the same exercises,
with inputs that nobody has seen.
"""

from functools import cache
from importlib import import_module

from course_lib.checks.exercise import Exercise

STEMS = (
    "architecture",
    "data",
    "pretraining",
    "scaling",
    "distributed",
    "sft",
    "alignment",
    "evaluation",
    "deployment",
)


@cache
def catalogue() -> dict[str, Exercise]:
    """Every exercise of the course by its name ("architecture/rope"), in the book's order."""
    found = {}
    for stem in STEMS:
        module = import_module(f"course_lib.checks.{stem}")
        exercises = [e for e in vars(module).values() if isinstance(e, Exercise)]
        found.update({e.name: e for e in sorted(exercises, key=lambda e: e.name)})
    return found
