"""The chapter's check passes the right answer and names every mistake it knows."""

import pytest
import torch

from course_lib.checks import deployment as check


def test_right_answer_passes():
    def right(weight, bits):
        scale = weight.abs().max(dim=1).values / (2 ** (bits - 1) - 1)
        scale[scale == 0] = 1
        return torch.round(weight / scale[:, None]).to(torch.int8), scale

    assert check.quantize_rows(right).passed


@pytest.mark.parametrize("sentence", check.MISTAKES)
def test_mistakes_are_named(sentence):
    report = check.quantize_rows(check.MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence
