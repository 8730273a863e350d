"""Instant checks of the exercises: one module a stem.

In a notebook: `from course_lib.checks import architecture as check`, then `check.rope(my_rope)`.
A check answers at once and names the mistake it recognises. It teaches, it does not grade.
"""
