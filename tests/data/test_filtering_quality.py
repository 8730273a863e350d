import pytest

from course_lib.data.filtering.quality import QualityRules, judge

PROSE = (
    "The library keeps a list of the books that people borrow and return. When a book comes "
    "back, the clerk crosses it off and puts it on the shelf where it belongs. Nobody may "
    "have more than four at once, and the fine for a late one is small but certain."
)

SPOILT = {
    "too short": "Return it.",
    "word length": "a b c d e f g h i j k l m n o p",
    "few letters": "1234 5678 9012 3456 the and to be of with have",
    "symbols": "this #page has #signs before #words that were links and #nothing else",
    "bullet list": "\n".join(f"- item number {word} of the list" for word in "abcdef"),
    "cut lines": (
        "The start of a long and winding page ...\n"
        "and then the next of a great many such pages\nwith more …"
    ),
    "repeated lines": "The same line again.\n" * 5 + PROSE[:80],
    "repeated words": "click here " * 12 + "for the rest of it",
    "no stop words": " ".join(
        ["apples", "pears", "plums", "cherries", "quinces", "figs", "dates"]
        + [f"fruit{chr(97 + i)}x" for i in range(26)]
        + [f"berry{chr(97 + i)}y" for i in range(26)]
    ),
}


def test_prose_is_kept():
    verdict = judge(PROSE)
    assert verdict.keep and verdict.rule == "" and verdict.reason == ""


@pytest.mark.parametrize("rule", SPOILT)
def test_each_rule_refuses_and_says_why(rule):
    verdict = judge(SPOILT[rule])
    assert (verdict.keep, verdict.rule) == (False, rule)
    assert "at least" in verdict.reason or "at most" in verdict.reason


def test_a_reason_holds_the_figure_and_the_threshold():
    assert judge("Return it.").reason == "2 words, at least 8"
    shorter = judge(PROSE, QualityRules(max_words=20))
    assert shorter.reason == f"{len(PROSE.split())} words, at most 20"
    assert judge("Return it.", QualityRules(min_words=2, min_mean_word=2.0)).keep


def test_impossible_rules_are_refused():
    with pytest.raises(ValueError, match="min_words=9 is above max_words=3"):
        QualityRules(min_words=9, max_words=3)
