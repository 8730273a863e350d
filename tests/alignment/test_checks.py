"""The chapter's check passes the right answer and names each wrong one."""

import pytest
from torch import sigmoid

from course_lib.checks import alignment as check


def test_passes_the_reference():
    assert check.dpo_loss(check._reference).passed


@pytest.mark.parametrize("sentence", check.MISTAKES)
def test_names_each_mistake(sentence):
    report = check.dpo_loss(check.MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence


def test_an_unknown_mistake_fails_without_a_name():
    report = check.dpo_loss(lambda pc, pr, rc, rr, beta: sigmoid(pc))
    assert not report.passed
    assert report.mistake is None
