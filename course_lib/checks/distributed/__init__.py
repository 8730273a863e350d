"""Instant checks of the distributed chapter."""

from course_lib.checks.distributed._broken_step import broken_step
from course_lib.checks.distributed._pipeline_schedule import pipeline_schedule
from course_lib.checks.distributed._ring_all_reduce import ring as ring_all_reduce
from course_lib.checks.distributed._tensor_parallel import tensor_parallel
from course_lib.checks.distributed._zero_bytes import zero_bytes

__all__ = ["broken_step", "pipeline_schedule", "ring_all_reduce", "tensor_parallel", "zero_bytes"]
