import pytest

from course_lib.checks import data as check


def test_the_reference_passes():
    assert check.bpe_step(check.bpe_step_reference).passed


@pytest.mark.parametrize("mistake", check.MISTAKES)
def test_each_mistake_is_named(mistake, capsys):
    report = check.bpe_step(check.MISTAKES[mistake])
    assert not report.passed and report.mistake == mistake
    assert mistake in capsys.readouterr().out


def test_an_error_of_the_learners_is_shown_and_a_stub_is_recognised(capsys):
    def stub(words, new):
        raise NotImplementedError

    assert not check.bpe_step(stub).passed
    assert not check.bpe_step(lambda words, new: words[new]).passed
    assert "KeyError" in capsys.readouterr().out
