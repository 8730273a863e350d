"""The check of QK-norm passes the right answer, and names each mistake when it is made."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.architecture.ops import rope
from course_lib.checks import architecture as check


def right(q, k, q_gain, k_gain, cos, sin):
    q = F.rms_norm(q, q.shape[-1:], q_gain, 1e-6)
    k = F.rms_norm(k, k.shape[-1:], k_gain, 1e-6)
    return rope(q, cos, sin), rope(k, cos, sin)


def test_a_right_answer_passes():
    assert check.qk_norm(right).passed


@pytest.mark.parametrize("sentence", check.QK_NORM_MISTAKES)
def test_each_mistake_is_named(sentence):
    done = check.qk_norm(check.QK_NORM_MISTAKES[sentence])
    assert not done.passed
    assert done.mistake == sentence


def test_zeros_do_not_pass():
    done = check.qk_norm(lambda q, k, *_: (torch.zeros_like(q), torch.zeros_like(k)))
    assert not done.passed and done.mistake is None
