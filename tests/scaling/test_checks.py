"""The check accepts the reference and recognises each of its mistakes as itself."""

import pytest

from course_lib.checks import scaling as check


def test_the_reference_passes(capsys):
    assert check.compute_optimal_split(check._reference).passed


@pytest.mark.parametrize("sentence", check.MISTAKES)
def test_each_mistake_is_named(sentence, capsys):
    report = check.compute_optimal_split(check.MISTAKES[sentence])
    assert not report.passed and report.mistake == sentence


def test_zero_does_not_pass(capsys):
    assert not check.compute_optimal_split(lambda law, flops: (0.0, 0.0)).passed
