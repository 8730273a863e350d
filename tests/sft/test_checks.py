"""The chapter's check passes the right answer and names each wrong one."""

import pytest

from course_lib.checks import sft as check
from course_lib.sft.masking import answer_only


def test_passes_the_reference():
    assert check.loss_mask(answer_only).passed


@pytest.mark.parametrize("sentence", check.MISTAKES)
def test_names_each_mistake(sentence):
    report = check.loss_mask(check.MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence
