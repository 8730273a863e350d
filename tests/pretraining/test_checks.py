"""The check passes right answers, whatever their style, and names each wrong one."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.checks import pretraining as check


def by_library(logits, targets):
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-100)


def by_loop(logits, targets):
    terms = [
        -logits[b, t].log_softmax(0)[targets[b, t]]
        for b in range(targets.shape[0])
        for t in range(targets.shape[1])
        if targets[b, t] != -100
    ]
    return torch.stack(terms).mean()


@pytest.mark.parametrize("answer", [by_library, by_loop])
def test_right_answers_pass(answer):
    assert check.masked_cross_entropy(answer).passed


@pytest.mark.parametrize("sentence", check.MISTAKES)
def test_every_mistake_is_named(sentence):
    report = check.masked_cross_entropy(check.MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constants_fail(value):
    assert not check.masked_cross_entropy(lambda logits, targets: torch.tensor(value)).passed
