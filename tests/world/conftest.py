"""One default world for all tests of the folder: building it is cheap, but not free."""

import pytest

from course_lib.world import World


@pytest.fixture(scope="session")
def world() -> World:
    return World()
