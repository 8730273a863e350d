"""The check of the serving optimum accepts the reference and names each of its mistakes."""

import pytest

from course_lib.checks import scaling as check
from course_lib.checks.scaling import _serving_optimum as serving


def test_the_reference_passes(capsys):
    assert check.cheapest_to_serve(serving._reference).passed


@pytest.mark.parametrize("sentence", serving.SERVING_MISTAKES)
def test_each_mistake_is_named(sentence, capsys):
    report = check.cheapest_to_serve(serving.SERVING_MISTAKES[sentence])
    assert not report.passed and report.mistake == sentence


def test_zero_does_not_pass(capsys):
    assert not check.cheapest_to_serve(lambda law, loss, served: (0.0, 0.0)).passed
