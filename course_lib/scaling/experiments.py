"""Recorded experiments of the scaling chapter; each study registers its own."""

from course_lib.scaling import grid_study, proxies_study, world_study  # noqa: F401
