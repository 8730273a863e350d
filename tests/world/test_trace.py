"""Options and the two kinds of run."""

from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.world.trace import Break, Fork, Options, Reader, Sampler

WEIGHTS = st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5]), min_size=3, max_size=9).filter(
    lambda weights: sum(weight > 0 for weight in weights) >= 2
)


@given(WEIGHTS, st.data())
def test_probabilities_sum_to_one_with_and_without_an_exception(weights, data):
    options = Options([f" w{i}" for i in range(len(weights))], weights)
    possible = [i for i, weight in enumerate(weights) if weight > 0]
    assert sum(exp(-options.nats(i)) for i in possible) == pytest.approx(1)
    but = data.draw(st.sampled_from(range(len(weights))))
    rest = [i for i in possible if i != but]
    assert sum(exp(-options.nats(i, but)) for i in rest) == pytest.approx(1)


@given(WEIGHTS, st.integers(0, 10**6))
def test_a_draw_never_takes_weight_zero_nor_the_exception(weights, seed):
    options = Options([f" w{i}" for i in range(len(weights))], weights)
    but = max(i for i, weight in enumerate(weights) if weight > 0)
    rng = Random(seed)
    drawn = {options.draw(rng, but) for _ in range(50)}
    assert all(weights[i] > 0 for i in drawn)
    assert but not in drawn


def test_draws_follow_the_weights():
    options = Options(["a", "b", "c"], [1.0, 0.0, 3.0])
    rng = Random(0)
    share = sum(options.draw(rng) == 2 for _ in range(20_000)) / 20_000
    assert share == pytest.approx(0.75, abs=0.015)


def test_options_without_any_weight_are_refused():
    with pytest.raises(ValueError, match="no option has a positive weight"):
        Options(["a"], [0.0])


def test_matching_ends_at_a_words_end():
    options = Options([" 1", " 12", " 2"])
    assert options.matching("has 12 plums", 3) == [1]
    assert options.matching("has 1 plum", 3) == [0]
    assert options.matching("has 123", 3) == []


def test_hidden_costs_are_charged_to_the_next_span():
    trace = Sampler(Random(1))
    trace.hide(Options(["x", "y", "z", "w"]))
    trace.say("Hello")
    trace.say(" you.")
    assert [span.nats for span in trace.spans] == pytest.approx([log(4), 0])


def test_wishes_decide_named_tosses_and_cost_nothing():
    trace = Sampler(Random(1), {"more": 2, "dry": True})
    assert [trace.toss(0.5, "more") for _ in range(4)] == [True, True, False, False]
    assert trace.toss(0.01, "dry")
    assert trace.pending == 0


def test_a_reader_forks_only_where_it_must():
    options = Options([" ab", " ab cd", " x"])
    with pytest.raises(Fork) as fork:
        Reader(" ab cd").pick(options)
    assert fork.value.choices == [0, 1]
    assert Reader(" x").pick(options) == 2


def test_a_reader_tells_impossible_from_ungrammatical_from_unfinished():
    options = Options([" yes", " no"], [1.0, 0.0], fault="causality")
    for text, fault in ((" no", "causality"), (" maybe", "grammar"), (" y", "unfinished")):
        with pytest.raises(Break) as broken:
            Reader(text).pick(options)
        assert broken.value.fault == fault
