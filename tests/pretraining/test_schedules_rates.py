"""The further schedules and clipping: by hand, and as properties."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.pretraining.schedules.clipping import clip_gradients
from course_lib.pretraining.schedules.rates import (
    cool_down,
    inverse_sqrt,
    linear,
    warm_up,
    wsd,
    wsd_sqrt,
)


def test_linear_by_hand():
    assert linear(0.05, warmup=0.1) == pytest.approx(0.5)
    assert linear(0.1, warmup=0.1) == pytest.approx(1.0)
    assert linear(0.55, warmup=0.1) == pytest.approx(0.5)
    assert linear(1.0, warmup=0.1, floor=0.2) == pytest.approx(0.2)


def test_inverse_sqrt_by_hand():
    assert inverse_sqrt(0.02, warmup=0.04) == pytest.approx(0.5)
    assert inverse_sqrt(0.16, warmup=0.04) == pytest.approx(0.5)
    assert inverse_sqrt(4.0, warmup=0.04) == pytest.approx(0.1), "it goes on beyond the run"
    with pytest.raises(ValueError, match="warmup=0"):
        inverse_sqrt(0.5, warmup=0.0)
    with pytest.raises(ValueError, match="progress=-1"):
        inverse_sqrt(-1.0)


def test_wsd_sqrt_by_hand():
    assert wsd_sqrt(0.5, decay=0.2) == 1.0
    assert wsd_sqrt(0.85, decay=0.2) == pytest.approx(0.5)  # a quarter done: 1 - sqrt(1/4)
    assert wsd_sqrt(1.0, decay=0.2, floor=0.1) == pytest.approx(0.1)
    assert wsd_sqrt(1.0, decay=0.0) == 1.0
    assert wsd_sqrt(0.7, decay=0.3) == 1.0, "where rounding makes the line a hair more than 1"


def test_the_two_ends_of_a_short_run_by_hand():
    assert [warm_up(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [cool_down(p, 0.5) for p in (0.0, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]
    assert cool_down(0.25) == 0.75 and cool_down(1.0, 0.0) == 1.0
    with pytest.raises(ValueError, match="step=-1"):
        warm_up(-1, 4)
    with pytest.raises(ValueError, match="steps=0"):
        warm_up(0, 0)
    with pytest.raises(ValueError, match="progress=1.5"):
        cool_down(1.5)


@given(st.integers(0, 99), st.integers(1, 50))
def test_their_minimum_is_wsd_without_a_floor(step, warm):
    whole = wsd((step + 1) / 100, warmup=warm / 100, decay=0.5, floor=0.0)
    assert min(warm_up(step, warm), cool_down((step + 1) / 100, 0.5)) == pytest.approx(whole)


@given(st.floats(0.05, 1), st.floats(0.05, 1))
def test_after_the_warm_up_none_rises(a, b):
    early, late = sorted((a, b))
    for schedule in (linear, inverse_sqrt, wsd_sqrt):
        assert schedule(late) <= schedule(early) + 1e-12


def weights_with(*grads: list[float]) -> list[torch.Tensor]:
    found = []
    for grad in grads:
        weight = torch.zeros(len(grad))
        weight.grad = torch.tensor(grad)
        found.append(weight)
    return found


def test_clipping_by_hand():
    # |(3, 0, 4)| = 5: to a norm of 1 each is divided by 5, over both tensors alike.
    weights = weights_with([3.0, 0.0], [4.0])
    assert clip_gradients(weights, 1.0) == pytest.approx(5.0)
    assert torch.cat([w.grad for w in weights]).tolist() == pytest.approx([0.6, 0.0, 0.8])


def test_a_short_gradient_stays_to_the_bit():
    weights = weights_with([0.3, -0.1])
    before = weights[0].grad.clone()
    assert clip_gradients(weights, 1.0) == pytest.approx(math.sqrt(0.1))
    assert torch.equal(weights[0].grad, before)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="skip this step"):
        clip_gradients(weights_with([1.0, bad]), 1.0)


def test_a_limit_of_zero_is_refused():
    with pytest.raises(ValueError, match="max_norm=0"):
        clip_gradients(weights_with([1.0]), 0)
