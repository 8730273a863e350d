"""Positions: numbers worked by hand, and what each scheme promises about distance and length."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.ops import rope, rope_tables
from course_lib.architecture.positions import (
    alibi_bias,
    alibi_slopes,
    angle_tables,
    half_split_permutation,
    interpolated_rates,
    ntk_theta,
    rope_interleaved,
    rope_rates,
    sinusoidal_table,
    yarn_attention_factor,
    yarn_rates,
    yarn_tables,
)

THETA = 10_000.0


def test_sinusoidal_by_hand():
    got = sinusoidal_table(3, 4, theta=100.0)  # rates 1 and 1/10
    want = [[math.sin(m), math.cos(m), math.sin(m / 10), math.cos(m / 10)] for m in range(3)]
    torch.testing.assert_close(got, torch.tensor(want))


@given(m=st.integers(0, 90), n=st.integers(0, 90), shift=st.integers(0, 60))
@settings(max_examples=25, deadline=None)
def test_dot_products_of_sinusoids_depend_on_the_distance(m, n, shift):
    table = sinusoidal_table(160, 16)
    torch.testing.assert_close(
        table[m] @ table[n], table[m + shift] @ table[n + shift], atol=2e-4, rtol=0
    )


def test_alibi_slopes_by_hand():
    torch.testing.assert_close(alibi_slopes(8), torch.tensor([2.0**-h for h in range(1, 9)]))
    want = [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]  # four heads, then two between them
    torch.testing.assert_close(alibi_slopes(6), torch.tensor(want))


def test_alibi_bias_by_hand():
    got = alibi_bias(2, 2, 3)  # slopes 1/16 and 1/256; queries stand at positions 1 and 2
    want = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, -1.0, 0.0]])
    torch.testing.assert_close(got, torch.stack((want / 16, want / 256)))
    assert torch.equal(alibi_bias(4, 5)[:, -2:], alibi_bias(4, 2, 5))


def test_rope_interleaved_by_hand():
    cos, sin = rope_tables(2, 4, theta=100.0)
    x = torch.tensor([[0.0] * 4, [1.0, 0.0, 0.0, 2.0]])
    want = [math.cos(1), math.sin(1), -2 * math.sin(0.1), 2 * math.cos(0.1)]
    torch.testing.assert_close(rope_interleaved(x, cos, sin)[1], torch.tensor(want))


@given(half=st.integers(1, 12), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_permutation_leads_from_one_convention_to_the_other(half, seed):
    x = torch.randn(2, 3, 7, 2 * half, generator=torch.Generator().manual_seed(seed))
    cos, sin = rope_tables(7, 2 * half)
    order = half_split_permutation(2 * half)
    turned = rope_interleaved(x, cos, sin)
    assert torch.equal(rope(x[..., order], cos, sin), turned[..., order])
    assert torch.equal(x[..., order][..., order.argsort()], x)


def test_permuted_weights_give_the_same_scores_and_others_do_not():
    torch.manual_seed(0)
    x, w_q, w_k = torch.randn(9, 24), torch.randn(16, 24), torch.randn(16, 24)
    cos, sin = rope_tables(9, 16)
    order = half_split_permutation(16)

    def scores(turn, w_q, w_k):
        return turn(x @ w_q.T, cos, sin) @ turn(x @ w_k.T, cos, sin).T

    want = scores(rope_interleaved, w_q, w_k)
    torch.testing.assert_close(scores(rope, w_q[order], w_k[order]), want, atol=1e-3, rtol=1e-5)
    assert (scores(rope, w_q, w_k) - want).abs().max() > 1


def test_angle_tables_are_those_of_ops():
    for got, want in zip(
        angle_tables(20, rope_rates(8, 500.0)), rope_tables(20, 8, 500.0), strict=True
    ):
        assert torch.equal(got, want)
    cos, sin = angle_tables(3, torch.tensor([0.5]), attention_factor=2.0)
    torch.testing.assert_close(cos[2] ** 2 + sin[2] ** 2, torch.tensor([4.0]))


def test_interpolation_gives_a_long_row_the_angles_of_a_short_one():
    short, _ = angle_tables(10, rope_rates(8))
    long, _ = angle_tables(40, interpolated_rates(8, THETA, 4.0))
    torch.testing.assert_close(long[::4], short)


@given(d_head=st.integers(2, 64).map(lambda n: 2 * n), factor=st.floats(1.0, 32.0))
@settings(max_examples=25, deadline=None)
def test_ntk_keeps_the_fastest_pair_and_interpolates_the_slowest(d_head, factor):
    before, after = rope_rates(d_head), rope_rates(d_head, ntk_theta(THETA, d_head, factor))
    assert after[0] == before[0] == 1
    torch.testing.assert_close(after[-1], before[-1] / factor, rtol=1e-4, atol=0)
    assert (after <= before * 1.00001).all()


def test_yarn_by_hand():
    # rates 1, 0.1, 0.01, 0.001: over 6283 positions 1000, 100, 10 and 1 turns. 90 turns lie a bit
    # past pair 1, 1.5 turns a bit before pair 3: rounded outwards, the ramp goes from 1 to 3
    rates = rope_rates(8, 1e4)
    scaled = yarn_rates(8, 1e4, 4.0, 6283, beta_fast=90.0, beta_slow=1.5)
    torch.testing.assert_close(scaled / rates, torch.tensor([1.0, 1.0, 0.625, 0.25]))
    assert yarn_attention_factor(math.e) == pytest.approx(1.1)
    assert yarn_attention_factor(1.0) == 1.0
    cos, _ = yarn_tables(5, 8, 1e4, factor=math.e, original_max_seq=4096)
    torch.testing.assert_close(cos[0], torch.full((4,), 1.1))


@given(factor=st.floats(1.0, 64.0), original=st.integers(8, 8192), half=st.integers(2, 64))
@settings(max_examples=40, deadline=None)
def test_yarn_lies_between_the_trained_and_the_interpolated_rates(factor, original, half):
    before = rope_rates(2 * half)
    after = yarn_rates(2 * half, THETA, factor, original)
    assert (after <= before * 1.00001).all() and (after >= before / factor * 0.99999).all()
    kept = (after / before).diff()
    assert (kept <= 1e-5).all(), "slower pairs are never interpolated less"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sinusoidal_table(4, 7), r"rope_rates: the size is 7, expected an even number"),
        (lambda: sinusoidal_table(0, 8), "max_seq is 0, expected at least 1"),
        (lambda: alibi_slopes(0), "alibi_slopes: n_heads is 0, expected at least 1"),
        (lambda: alibi_bias(2, 5, 3), "n_keys is 3, expected n_queries 5 or more"),
        (
            lambda: rope_interleaved(torch.ones(3, 8), *rope_tables(3, 4)),
            r"cos has shape \(3, 2\), expected a last axis of 4, half of the last axis of x \(3, 8",
        ),
        (lambda: half_split_permutation(5), "half_split_permutation: the size is 5"),
        (lambda: interpolated_rates(8, THETA, 0.5), "factor is 0.5, expected at least 1"),
        (lambda: ntk_theta(THETA, 2, 4.0), "d_head is 2, expected at least 4"),
        (lambda: yarn_rates(8, THETA, 0.9, 64), "yarn_rates: factor is 0.9"),
    ],
)
def test_errors_name_what_was_given_and_what_is_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
