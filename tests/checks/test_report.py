"""How a check's report is shown: text in a terminal, HTML with the same words in a notebook."""

import re
import sys
from types import SimpleNamespace

import pytest

from course_lib.checks.html import as_html
from course_lib.checks.report import CheckReport, Finding, announce

RIGHT = CheckReport("Shares", True, (Finding(True, "two rows"), Finding(True, "many rows")))
WRONG = CheckReport(
    "Shares <b>",
    False,
    (
        Finding(True, "two rows"),
        Finding(False, "many rows", "You returned <3>, expected 4.", "given x = [1 & 2]", 9),
        Finding(False, "one row", "You returned '\x1b[31m', expected 0.", "given x = [1]", 1),
    ),
    "You divided by `d_model`, expected `d_head`.",
)


def visible(markup: str) -> str:
    """The words of a piece of HTML, a line a block."""
    text = re.sub(r"</div>", "\n", markup)
    text = re.sub(r"<[^>]+>", "", text)
    for code, sign in (("&lt;", "<"), ("&gt;", ">"), ("&#x27;", "'"), ("&quot;", '"')):
        text = text.replace(code, sign)
    return text.replace("&amp;", "&")


@pytest.mark.parametrize("report", [RIGHT, WRONG], ids=["right", "wrong"])
def test_html_says_what_the_text_says(report):
    said = visible(as_html(report))
    for line in str(report).splitlines():
        assert line.strip().replace("`", "") in said


def test_the_verdict_is_a_word_and_not_a_colour_alone():
    assert "Shares: passed" in visible(as_html(RIGHT))
    assert "Shares <b>: not yet" in visible(as_html(WRONG))


def test_what_comes_from_the_learner_is_escaped():
    markup = as_html(WRONG)
    assert "<b>" not in markup and "&lt;b&gt;" in markup and "[1]" in markup


def test_escapes_of_a_terminal_do_not_reach_either_form():
    assert "\x1b" not in as_html(WRONG)
    assert "\x1b" not in str(WRONG)


def test_an_odd_backtick_stays_itself():
    report = CheckReport("Shares", False, (Finding(False, "x"),), "a ` b <i>")
    assert "a ` b &lt;i&gt;" in as_html(report)


def test_every_colour_is_inline_and_the_text_keeps_the_page_s():
    markup = as_html(WRONG)
    assert "<style" not in markup and "<script" not in markup
    assert not re.search(r"[;\"]color:", markup)


def test_outside_a_notebook_it_is_printed(capsys):
    announce(WRONG)
    assert capsys.readouterr().out == str(WRONG) + "\n"


def test_in_a_notebook_it_is_displayed_with_the_text_beside(monkeypatch, capsys):
    import IPython
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data))
    announce(RIGHT)
    assert shown == [{"text/plain": str(RIGHT), "text/html": as_html(RIGHT)}]
    assert not capsys.readouterr().out


def test_ipython_in_a_terminal_gets_text(monkeypatch, capsys):
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace())
    announce(RIGHT)
    assert capsys.readouterr().out == str(RIGHT) + "\n"


def test_without_ipython_none_is_imported(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    announce(RIGHT)
    assert "IPython" not in sys.modules
    assert "✓ Shares" in capsys.readouterr().out
