"""The check accepts the reference and recognises each of its mistakes as itself."""

import pytest
import torch

from course_lib.checks import distributed as check
from course_lib.distributed.collectives import ring_all_reduce


def test_the_reference_passes(capsys):
    assert check.ring(ring_all_reduce).passed


@pytest.mark.parametrize("sentence", check.MISTAKES)
def test_each_mistake_is_named(sentence, capsys):
    report = check.ring(check.MISTAKES[sentence])
    assert not report.passed and report.mistake == sentence


def test_zero_and_silence_do_not_pass(capsys):
    assert not check.ring(lambda flat, wire: torch.zeros_like(flat)).passed

    def waits(flat, wire):
        wire.receive(flat, (wire.rank - 1) % wire.size)
        return flat

    report = check.ring(waits)
    assert not report.passed and "never sent" in capsys.readouterr().out
