"""Instant checks of the scaling chapter."""

from course_lib.checks.scaling._compute_optimal import compute_optimal
from course_lib.checks.scaling._huber import huber
from course_lib.checks.scaling._isoflop import isoflop
from course_lib.checks.scaling._serving_optimum import serving_optimum
from course_lib.checks.scaling._training_flops import training_flops
from course_lib.checks.scaling._unfinished_runs import unfinished_runs

__all__ = [
    "compute_optimal",
    "huber",
    "isoflop",
    "serving_optimum",
    "training_flops",
    "unfinished_runs",
]
