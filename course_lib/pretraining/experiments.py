"""Recorded experiments of the pretraining chapter; imported, they register.

A result keeps a hash of the code that made it. One module each keeps that hash to what the
experiment really uses.
"""

from course_lib.pretraining import (  # noqa: F401
    broken_study,
    critical_batch_study,
    mup_study,
    race_study,
    speedrun_study,
)
