import pytest

from course_lib.checks import data as check
from course_lib.checks.data._pii_masking import MASK_MISTAKES, mask_cards_reference


def test_the_reference_passes():
    assert check.mask_cards(mask_cards_reference).passed
    assert mask_cards_reference("a 5500-0000-0000-0004 b") == "a <card> b"


@pytest.mark.parametrize("mistake", MASK_MISTAKES)
def test_each_mistake_is_named(mistake, capsys):
    report = check.mask_cards(MASK_MISTAKES[mistake])
    assert not report.passed and report.mistake == mistake
    assert mistake in capsys.readouterr().out


def test_a_stub_is_recognised():
    def stub(text):
        raise NotImplementedError

    assert not check.mask_cards(stub).passed
    assert not check.mask_cards(lambda text: text).passed
