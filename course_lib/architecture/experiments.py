"""Recorded experiments of the architecture chapter; each study registers its own."""

from course_lib.architecture import blocks_study, ladder_study, positions_study  # noqa: F401
