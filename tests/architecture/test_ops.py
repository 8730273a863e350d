"""The layer's mathematics against numbers worked by hand and properties that must hold."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.ops import (
    gelu_tanh,
    layer_norm,
    relu_squared,
    rms_norm,
    rope,
    rope_tables,
    softmax,
    swiglu,
)


def test_softmax_by_hand():
    got = softmax(torch.tensor([0.0, math.log(3.0), float("-inf")]))
    torch.testing.assert_close(got, torch.tensor([0.25, 0.75, 0.0]))


@given(shift=st.floats(-1e3, 1e3))
@settings(max_examples=20, deadline=None)
def test_softmax_ignores_a_shift_and_does_not_overflow(shift):
    scores = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64)
    torch.testing.assert_close(softmax(scores + shift), softmax(scores))
    assert torch.isfinite(softmax(torch.tensor([1e30, 0.0]))).all()


def test_rms_norm_by_hand():
    x = torch.tensor([[3.0, 4.0]])  # mean of squares 12.5
    got = rms_norm(x, torch.tensor([1.0, 2.0]), eps=0.0)
    torch.testing.assert_close(got, torch.tensor([[3.0, 8.0]]) / math.sqrt(12.5))


@given(scale=st.floats(0.01, 100.0))
@settings(max_examples=20, deadline=None)
def test_rms_norm_ignores_the_scale_of_its_input(scale):
    x, weight = torch.randn(2, 8), torch.ones(8)
    got, want = rms_norm(scale * x, weight, 0.0), rms_norm(x, weight, 0.0)
    torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-6)


def test_rms_norm_keeps_precision_in_bfloat16():
    x = torch.full((1, 256), 300.0, dtype=torch.bfloat16)
    got = rms_norm(x, torch.ones(256, dtype=torch.bfloat16))
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, torch.ones_like(got))


def test_rope_by_hand():
    cos, sin = rope_tables(3, 2)
    got = rope(torch.tensor([[1.0, 0.0]] * 3), cos, sin)
    want = torch.tensor([[math.cos(m), math.sin(m)] for m in range(3)])
    torch.testing.assert_close(got, want)


def test_rope_turns_halves_not_neighbours():
    cos, sin = rope_tables(2, 4, theta=100.0)
    got = rope(torch.tensor([[0.0] * 4, [1.0, 0.0, 0.0, 0.0]]), cos, sin)[1]
    torch.testing.assert_close(got, torch.tensor([math.cos(1), 0.0, math.sin(1), 0.0]))


@given(m=st.integers(0, 40), n=st.integers(0, 40), shift=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_rope_scores_depend_on_the_distance_alone(m, n, shift):
    cos, sin = (table.double() for table in rope_tables(64, 8))
    q, k = torch.randn(2, 8, dtype=torch.float64)

    def score(i, j):
        turned_q = rope(q.expand(64, 8), cos, sin)[i]
        return turned_q @ rope(k.expand(64, 8), cos, sin)[j]

    torch.testing.assert_close(score(m + shift, n + shift), score(m, n), atol=1e-4, rtol=1e-4)


def test_rope_keeps_lengths():
    cos, sin = rope_tables(16, 6)
    x = torch.randn(2, 3, 16, 6)
    torch.testing.assert_close(rope(x, cos, sin).norm(dim=-1), x.norm(dim=-1))


def test_swiglu_by_hand():
    got = swiglu(torch.tensor([0.0, math.log(3.0)]), torch.tensor([5.0, 2.0]))
    torch.testing.assert_close(got, torch.tensor([0.0, 2 * 0.75 * math.log(3.0)]))


def test_layer_norm_by_hand():
    x = torch.tensor([1.0, 3.0])  # mean 2, variance 1
    got = layer_norm(x, torch.tensor([1.0, 2.0]), torch.tensor([0.0, 10.0]), eps=0.0)
    assert got.tolist() == [-1.0, 12.0]
    assert layer_norm(x, torch.ones(2), eps=3.0).tolist() == [-0.5, 0.5]


@given(shift=st.floats(-50, 50), scale=st.floats(0.1, 50))
def test_layer_norm_forgets_shift_and_scale(shift, scale):
    x = torch.linspace(-1, 2, 8)
    want = layer_norm(x, torch.ones(8), eps=0.0)
    got = layer_norm(scale * x + shift, torch.ones(8), eps=0.0)
    torch.testing.assert_close(got, want, atol=1e-3, rtol=1e-3)


def test_activations_by_hand():
    x = torch.tensor([-3.0, 0.0, 1.0, 2.0])
    assert relu_squared(x).tolist() == [0.0, 0.0, 1.0, 4.0]
    phi = 0.5 * (1 + torch.erf(x / 2**0.5))  # P(N(0, 1) < x)
    torch.testing.assert_close(gelu_tanh(x), x * phi, atol=5e-4, rtol=0)
    inside = (2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)
    torch.testing.assert_close(gelu_tanh(x), x / 2 * (1 + inside.tanh()))
