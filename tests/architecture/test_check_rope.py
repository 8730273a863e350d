"""The check of RoPE passes the library's answer and names each mistake."""

import pytest
import torch

from course_lib.architecture.ops import rope, rope_tables
from course_lib.checks import architecture


def by_tables(x, positions, theta):
    cos, sin = rope_tables(16, x.shape[-1], theta)
    return rope(x, cos[positions].unsqueeze(1), sin[positions].unsqueeze(1))


def test_the_library_passes_rope():
    assert architecture.rope(by_tables).passed


@pytest.mark.parametrize("sentence", architecture.ROPE_MISTAKES)
def test_every_rope_mistake_is_recognised_as_itself(sentence):
    done = architecture.rope(architecture.ROPE_MISTAKES[sentence])
    assert not done.passed
    assert done.mistake == sentence


def test_zeros_and_the_input_itself_pass_nothing():
    assert not architecture.rope(lambda x, positions, theta: torch.zeros_like(x)).passed
    assert not architecture.rope(lambda x, positions, theta: x.clone()).passed
