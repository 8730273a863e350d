"""Recorded experiments of the data chapter, each in a module of its own; imported, they register.

A result keeps a hash of the code that made it. One module each keeps that hash to what the
experiment really uses.
"""

from course_lib.data import filtering_study, mixing_study  # noqa: F401
