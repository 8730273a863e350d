"""The check of the loss scaler takes the right answer and names each wrong one."""

import pytest

from course_lib.checks import pretraining as check
from course_lib.checks.pretraining._loss_scaler import LOSS_SCALER_MISTAKES, _step


def test_the_right_answer_passes(capsys):
    assert check.loss_scaler(_step).passed
    assert "✓ Loss scaler" in capsys.readouterr().out


@pytest.mark.parametrize("sentence", LOSS_SCALER_MISTAKES, ids=lambda s: s[:40])
def test_each_mistake_is_named(sentence):
    report = check.loss_scaler(LOSS_SCALER_MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence


def test_a_zero_answer_fails():
    report = check.loss_scaler(lambda weight, *rest: (weight * 0, 0.0, 0))
    assert not report.passed and report.mistake is None


def test_changing_the_argument_is_told():
    def in_place(weight, grad, scale, good_steps, lr, interval):
        new, *rest = _step(weight, grad, scale, good_steps, lr, interval)
        weight.copy_(new)
        return (weight, *rest)

    assert "changed its argument" in str(check.loss_scaler(in_place))
