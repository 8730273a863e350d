"""The checks of the parabola and of the Huber objective: right passes, each mistake is named."""

import pytest

from course_lib.checks import scaling as check
from course_lib.checks.scaling import _huber, _isoflop

CHECKS = {
    "isoflop": (check.isoflop, _isoflop._reference, check.ISOFLOP_MISTAKES),
    "huber": (check.huber_objective, _huber._reference, check.HUBER_MISTAKES),
}
CASES = [(name, sentence) for name, (_, _, known) in CHECKS.items() for sentence in known]


@pytest.mark.parametrize("name", CHECKS)
def test_the_reference_passes(name, capsys):
    run, reference, mistakes = CHECKS[name]
    assert run(reference).passed and len(mistakes) >= 5


@pytest.mark.parametrize(("name", "sentence"), CASES)
def test_each_mistake_is_named(name, sentence, capsys):
    run, _, mistakes = CHECKS[name]
    report = run(mistakes[sentence])
    assert not report.passed and report.mistake == sentence


@pytest.mark.parametrize("name", CHECKS)
def test_zero_does_not_pass(name, capsys):
    assert not CHECKS[name][0](lambda *_: 0.0).passed
