"""Formats by hand and by property; the scaler's rules; what rounding loses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.pretraining.precision.formats import (
    BF16,
    E4M3,
    E5M2,
    FORMATS,
    FP16,
    LossScaler,
    fp8_linear,
    kahan_add,
    lost_updates,
    quantized,
    round_to,
    stochastic_round,
)


def test_limits_by_hand():
    """Micikevicius et al. 2022, table 1, and IEEE 754's half."""
    assert (E4M3.largest, E4M3.smallest_normal, E4M3.smallest) == (448.0, 2**-6, 2**-9)
    assert (E5M2.largest, E5M2.smallest_normal, E5M2.smallest) == (57344.0, 2**-14, 2**-16)
    assert (FP16.largest, FP16.smallest_normal, FP16.smallest) == (65504.0, 2**-14, 2**-24)
    assert [fmt.bits for fmt in FORMATS] == [32, 16, 16, 8, 8]


def test_rounding_by_hand():
    """E4M3 near 1 has steps of 1/8: ties go to the even mantissa; 2^-10 is half the smallest."""
    x = torch.tensor([1.0625, 1.1875, 1.07, 2**-10, 2**-10 * 1.01, 464.0, 465.0, -1e9])
    wanted = [1.0, 1.25, 1.125, 0.0, 2**-9, 448.0, 448.0, -448.0]
    torch.testing.assert_close(round_to(x, E4M3), torch.tensor(wanted))
    assert round_to(torch.tensor([math.nan]), E4M3).isnan().all()
    assert round_to(torch.tensor([61439.0, 61441.0, -1e9]), E5M2).tolist() == [
        57344.0,
        math.inf,
        -math.inf,
    ]


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_limits_equal_torch(fmt):
    info = torch.finfo(fmt.dtype)
    assert (fmt.largest, fmt.epsilon, fmt.smallest_normal, fmt.bits) == (
        info.max,
        info.eps,
        info.smallest_normal,
        info.bits,
    )


@given(st.floats(width=32, allow_nan=False), st.sampled_from(FORMATS))
@settings(max_examples=300, deadline=None)
def test_rounding_is_idempotent_odd_and_equal_to_the_cast(value, fmt):
    x = torch.tensor([value])
    once = round_to(x, fmt)
    torch.testing.assert_close(once, x.to(fmt.dtype).float(), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(round_to(once, fmt), once, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(round_to(-x, fmt), -once, rtol=0, atol=0, equal_nan=True)


def test_scaling_brings_small_tensors_into_range():
    torch.manual_seed(0)
    x = torch.randn(200) * 1e-6
    assert round_to(x, E4M3).abs().max() == 0  # all below the format
    values, scale = quantized(x, E4M3)
    assert values.abs().max() == E4M3.largest
    error = (values / scale - x).abs() / x.abs().max()
    assert 1e-4 < error.max() <= E4M3.epsilon / 2
    assert quantized(torch.zeros(3), E4M3)[1] == 1.0


def test_fp8_linear_is_near_and_trains():
    torch.manual_seed(0)
    x, weight = torch.randn(4, 16, 32, requires_grad=True), torch.randn(8, 32, requires_grad=True)
    wanted = x @ weight.mT
    got = fp8_linear(x, weight)
    relative = ((got - wanted).norm() / wanted.norm()).item()
    assert 0.005 < relative < 0.06
    for ours, theirs in zip(
        torch.autograd.grad(got.square().sum(), (x, weight)),
        torch.autograd.grad(wanted.square().sum(), (x, weight)),
        strict=True,
    ):
        assert 0.005 < ((ours - theirs).norm() / theirs.norm()).item() < 0.12


def test_stochastic_rounding_is_unbiased():
    """1 + 1/512 lies a quarter of the way from 1 to 1 + 1/128."""
    generator = torch.Generator().manual_seed(0)
    x = torch.full((40_000,), 1 + 1 / 512)
    rounded = stochastic_round(x, generator).float()
    assert set(rounded.tolist()) == {1.0, 1 + 1 / 128}
    share = (rounded > 1).float().mean().item()
    assert share == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 40_000))
    negative = stochastic_round(-x, generator).float().mean().item()
    assert negative == pytest.approx(-(1 + 1 / 512), abs=1e-4)


def test_stochastic_rounding_keeps_what_fits_and_refuses_other_types():
    x = torch.tensor([0.0, 1.0, -2.5, math.inf, -math.inf, 2.0**-133])
    assert stochastic_round(x).float().tolist() == x.tolist()
    assert stochastic_round(torch.tensor([math.nan])).isnan().all()
    with pytest.raises(ValueError, match="float64, expected torch.float32"):
        stochastic_round(torch.zeros(2, dtype=torch.float64))


def test_bfloat16_loses_updates_and_kahan_keeps_them():
    """1 + 0.001 rounds back to 1 (steps there are 1/128), a thousand times."""
    one, update = torch.ones(1, dtype=torch.bfloat16), torch.tensor([0.001], dtype=torch.bfloat16)
    plain, weight, lost = one.clone(), one.clone(), torch.zeros_like(one)
    for _ in range(1000):
        plain += update
        kahan_add(weight, lost, update)
    assert plain.item() == 1.0
    assert weight.float().item() == pytest.approx(2.0, abs=0.02)
    x = torch.tensor([1.0, 1.0, 0.1, 1.0])
    moved = torch.tensor([0.001, 0.005, 0.001, 0.0])
    assert lost_updates(x, moved, BF16).tolist() == [True, False, False, False]


def scaler_run(scaler, grads):
    """Weights and scales after each step, where the gradients are forced to what we say."""
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    seen = []
    for grad in grads:
        weight.grad = torch.tensor(grad) * scaler.scale
        seen.append((scaler.step(optimizer), weight.tolist(), scaler.scale))
    return seen


def test_scaler_by_hand():
    scaler = LossScaler(scale=8.0, interval=2)
    grads = [[1.0, 0.0], [math.inf, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, math.nan]]
    steps = scaler_run(scaler, grads)
    assert [stepped for stepped, _, _ in steps] == [True, False, True, True, False]
    assert [scale for _, _, scale in steps] == [8.0, 4.0, 4.0, 8.0, 4.0]
    assert steps[1][1] == pytest.approx([0.9, 1.0])  # the overflowing step moved nothing
    assert steps[3][1] == pytest.approx([0.7, 0.8])


def test_scaler_scales_the_loss_and_keeps_what_float16_would_lose():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    scaler = LossScaler()
    tiny = 1e-8  # below half of float16's smallest value
    assert torch.tensor(tiny).half() == 0
    scaler.scaled((weight * tiny).sum()).backward()
    weight.grad = weight.grad.half().float()  # what a float16 backward pass would hold
    scaler.step(torch.optim.SGD([weight], lr=0.0))
    assert weight.grad.item() == pytest.approx(tiny, rel=1e-3)


@pytest.mark.parametrize(
    "change", [{"scale": 0.0}, {"growth": 1.0}, {"backoff": 1.0}, {"interval": 0}]
)
def test_scaler_refuses_nonsense(change):
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        LossScaler(**change)
