"""The noise scale by hand, on gradients whose noise is known, and the trade-off it predicts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.pretraining.schedules.noise_scale import (
    NoiseScale,
    fit_tradeoff,
    measure,
    pooled,
    relative_error,
    two_batch,
)


def test_two_batch_by_hand():
    # |G|^2 = 4 and tr(Sigma) = 12: a batch of 2 has 4 + 6, a batch of 6 has 4 + 2.
    found = two_batch(10.0, 6.0, small=2, big=6)
    assert found.signal == pytest.approx(4.0)
    assert found.noise == pytest.approx(12.0)
    assert found.rows == pytest.approx(3.0)


@given(st.floats(0.01, 100), st.floats(0, 100), st.integers(1, 8), st.integers(9, 64))
def test_two_batch_undoes_the_two_equations(signal, noise, small, big):
    found = two_batch(signal + noise / small, signal + noise / big, small=small, big=big)
    assert found.signal == pytest.approx(signal, rel=1e-6, abs=1e-6)
    assert found.noise == pytest.approx(noise, rel=1e-6, abs=1e-6)


class Offset(nn.Module):
    """The gradient of each of its five weights is the mean of the row's ids."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5))

    def forward(self, inputs, documents=None):
        return inputs.float()[..., None] * self.weight


def dot(logits, targets):
    """Linear in the weights, so that the gradient of a row is known."""
    return logits.sum(-1).mean()


def test_measured_on_known_noise():
    # One id a row, drawn from {0, 4}: each of 5 weights has gradient mean 2 and variance 4.
    # So |G|^2 = 5 * 4 = 20, tr(Sigma) = 5 * 4 = 20, and the noise scale is 1 row.
    generator = torch.Generator().manual_seed(0)
    inputs = 4 * torch.randint(2, (4000, 1), generator=generator)
    found = measure(Offset(), inputs, inputs, small=2, loss_fn=dot)
    assert found.noise == pytest.approx(20, rel=0.08)
    assert found.signal == pytest.approx(20, rel=0.08)
    assert found.rows == pytest.approx(1, rel=0.15)


def test_rows_that_agree_have_no_noise():
    inputs = torch.full((6, 1), 3)
    found = measure(Offset(), inputs, inputs, small=2, loss_fn=dot)
    assert found.noise == pytest.approx(0, abs=1e-4)
    assert found.signal == pytest.approx(45)


def test_measure_leaves_no_gradients_and_refuses_broken_parts():
    model = Offset()
    ids = torch.ones(5, 1, dtype=torch.long)
    measure(model, ids[:4], ids[:4], small=2, loss_fn=dot)
    assert model.weight.grad is None
    with pytest.raises(ValueError, match="5 rows in parts of 2"):
        measure(model, ids, ids, small=2, loss_fn=dot)


def test_pooled_averages_before_it_divides():
    draws = [NoiseScale(signal=1.0, noise=8.0), NoiseScale(signal=3.0, noise=8.0)]
    assert pooled(draws).rows == pytest.approx(4.0)  # the mean of ratios would be 5.3
    with pytest.raises(ValueError, match="empty"):
        pooled([])


def test_relative_error_by_hand():
    # Without the first: 8 / 3, without the second: 8; half of the squared distances' sum.
    draws = [NoiseScale(signal=1.0, noise=8.0), NoiseScale(signal=3.0, noise=8.0)]
    spread = math.sqrt(0.5 * 2 * ((8 - 8 / 3) / 2) ** 2)
    assert relative_error(draws) == pytest.approx(spread / 4)
    assert relative_error([draws[0]] * 3) == pytest.approx(0)
    with pytest.raises(ValueError, match="at least 2"):
        relative_error(draws[:1])


def test_no_signal_is_an_infinite_scale():
    assert NoiseScale(signal=-0.1, noise=1.0).rows == math.inf


@pytest.mark.parametrize(("small", "big"), [(0, 4), (4, 4), (8, 4)])
def test_sizes_out_of_order_are_refused(small, big):
    with pytest.raises(ValueError, match="0 < small < big"):
        two_batch(1.0, 1.0, small=small, big=big)


@given(st.floats(5, 500), st.floats(0.5, 200))
def test_the_fit_finds_its_own_curve(least, critical):
    batches = (1, 2, 4, 8, 16, 32, 64, 128)
    found = fit_tradeoff(batches, [least * (1 + critical / b) for b in batches])
    assert found.least_steps == pytest.approx(least, rel=1e-3)
    assert found.critical == pytest.approx(critical, rel=1e-3)


def test_at_the_critical_batch_both_costs_double():
    tradeoff = fit_tradeoff((1, 10, 100), [11 * 50.0, 2 * 50.0, 1.1 * 50.0])
    assert tradeoff.critical == pytest.approx(10, rel=1e-3)
    assert tradeoff.steps(10) == pytest.approx(100, rel=1e-3)
    assert tradeoff.rows(10) == pytest.approx(1000, rel=1e-3)  # twice E_min = 10 * 50
    with pytest.raises(ValueError, match="3 or more"):
        fit_tradeoff((1, 2), (5, 4))
