"""The chapter's checks pass the right answer and name every mistake they know."""

import pytest
import torch

from course_lib.checks import evaluation as check


def test_right_answers_pass():
    assert check.bits_per_byte(lambda n, t: n / 0.6931471805599453 / len(t.encode())).passed

    def right(logits, ids, n):
        logp = torch.log_softmax(logits[n - 1 : -1], -1)
        return logp[range(len(ids) - n), ids[n:]].sum()

    assert check.continuation_logprob(right).passed


@pytest.mark.parametrize("sentence", check.LOGPROB_MISTAKES)
def test_likelihood_mistakes_are_named(sentence):
    report = check.continuation_logprob(check.LOGPROB_MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence


@pytest.mark.parametrize("sentence", check.BITS_MISTAKES)
def test_bits_mistakes_are_named(sentence):
    report = check.bits_per_byte(check.BITS_MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence
