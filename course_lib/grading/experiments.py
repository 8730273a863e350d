"""Recorded experiments of the grader."""

from course_lib.grading import demo_study  # noqa: F401
