"""The check of the ratio passes right answers and names each wrong one."""

import pytest
import torch

from course_lib.checks import pretraining as check
from course_lib.checks.pretraining._update_ratio import UPDATE_RATIO_MISTAKES


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def by_one_vector(before, after):
    old, new = flat(before), flat(after)
    return ((new - old).norm() / old.norm()).item()


def as_a_tensor(before, after):
    return (flat(after) - flat(before)).norm() / flat(before).norm()


@pytest.mark.parametrize("answer", [by_one_vector, as_a_tensor])
def test_right_answers_pass(answer):
    assert check.update_ratio(answer).passed


@pytest.mark.parametrize("sentence", UPDATE_RATIO_MISTAKES)
def test_every_mistake_is_named(sentence):
    report = check.update_ratio(UPDATE_RATIO_MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_constants_fail(value):
    assert not check.update_ratio(lambda before, after: value).passed
