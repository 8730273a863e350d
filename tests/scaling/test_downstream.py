"""The metrics of answers that were read once, by hand and from the scorer's own results."""

from dataclasses import dataclass

import pytest

from course_lib.evaluation.likelihood import Scored
from course_lib.scaling.downstream import Answered, metrics


@dataclass(frozen=True, kw_only=True)
class Read:
    logprob: float
    tokens: int
    right: int


def test_metrics_by_hand():
    found = metrics([Read(logprob=-2.0, tokens=2, right=2), Read(logprob=-4.0, tokens=4, right=1)])
    assert found["nats_a_token"] == pytest.approx(1.0)
    assert found["token_accuracy"] == pytest.approx(0.5) and found["exact"] == 0.5
    assert found["independent"] == pytest.approx((0.25 + 0.0625) / 2)
    assert found["tokens_an_answer"] == 3.0


def test_they_take_what_the_scorer_gives():
    scored = [Scored(logprob=-2.0, tokens=2, right=2), Scored(logprob=-4.0, tokens=4, right=1)]
    assert isinstance(scored[0], Answered)
    assert metrics(scored)["exact"] == sum(s.greedy for s in scored) / 2


def test_no_answers_are_refused():
    with pytest.raises(ValueError, match="no answers"):
        metrics([])
