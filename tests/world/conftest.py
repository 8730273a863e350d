"""One world for all tests of the folder, its mix written out: hand-worked figures depend on it."""

import pytest

from course_lib.world import World, WorldConfig


@pytest.fixture(scope="session")
def world() -> World:
    return World(WorldConfig(mix=(0.28, 0.24, 0.26, 0.22)))
