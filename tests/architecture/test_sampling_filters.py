"""Filters by hand, as properties, and as draws that a chi-square test judges."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from course_lib.architecture.sampling.filters import (
    Filters,
    filter_logits,
    min_p,
    repetition_penalty,
    seen_tokens,
    typical,
)

P = torch.tensor([[0.4, 0.3, 0.2, 0.1]])


def kept(filters: Filters, p: torch.Tensor = P) -> list[int]:
    return filters(p.log())[0].isfinite().nonzero().squeeze(1).tolist()


def test_top_k_top_p_and_temperature_by_hand():
    assert kept(Filters(top_k=2)) == [0, 1]
    assert kept(Filters(top_p=0.65)) == [0, 1]  # 0.4 is not enough, 0.7 is
    assert kept(Filters(top_p=0.75)) == [0, 1, 2]
    assert kept(Filters(top_p=0.01)) == [0]
    assert kept(Filters(top_k=3, top_p=0.7)) == [0, 1]  # of 9/9: 4/9, 3/9 reach 7/9
    assert kept(Filters(temperature=0.1, top_p=0.9)) == [0]  # a cold softmax is nearly sure
    assert kept(Filters()) == kept(Filters(top_k=9, top_p=1.0)) == [0, 1, 2, 3]
    assert torch.equal(filter_logits(P.log(), 0.5, 2), Filters(temperature=0.5, top_k=2)(P.log()))


def test_min_p_by_hand():
    assert kept(Filters(min_p=0.49)) == [0, 1, 2]  # at least 0.196
    assert kept(Filters(min_p=0.51)) == [0, 1]
    assert kept(Filters(min_p=1.0)) == [0]
    assert kept(Filters(min_p=0.0)) == [0, 1, 2, 3]


def test_typical_by_hand():
    """H = 1.28 nats; surprises 0.92, 1.20, 1.61, 2.30; distances 0.36, 0.08, 0.33, 1.02."""
    assert kept(Filters(typical_p=0.3)) == [1]  # not the likeliest
    assert kept(Filters(typical_p=0.45)) == [1, 2]
    assert kept(Filters(typical_p=0.85)) == [0, 1, 2]
    assert kept(Filters(typical_p=1.0)) == [0, 1, 2, 3]


def test_typical_counts_dropped_tokens_as_impossible():
    p = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    assert kept(Filters(typical_p=0.9), p) == [0, 1]


def test_repetition_penalty_by_hand():
    logits = torch.tensor([[2.0, -1.0, 2.0, -1.0]])
    seen = torch.tensor([[True, True, False, False]])
    assert repetition_penalty(logits, seen, 2.0).tolist() == [[1.0, -2.0, 2.0, -1.0]]
    assert repetition_penalty(logits, seen, 0.5).tolist() == [[4.0, -0.5, 2.0, -1.0]]


def test_padding_is_not_seen():
    tokens, real = torch.tensor([[0, 0, 2], [1, 3, 3]]), torch.tensor([[0, 0, 1], [1, 1, 1]])
    assert seen_tokens(tokens, real.bool(), 5).int().tolist() == [[0, 0, 1, 0, 0], [0, 1, 0, 1, 0]]


def test_the_order_is_the_documented_one():
    """Top-k first: of 4/9, 3/9, 2/9, the first two reach 0.75. Top-p first would keep three."""
    assert kept(Filters(top_k=3, top_p=0.75)) == [0, 1]
    assert kept(Filters(temperature=0.1, min_p=0.2)) == [0]  # the cold softmax is what min-p sees


logit_rows = st.lists(st.floats(-20, 20), min_size=2, max_size=30).map(lambda x: torch.tensor([x]))


@given(
    logit_rows,
    st.floats(0.1, 3),
    st.integers(1, 9),
    st.floats(0.05, 1),
    st.floats(0, 1),
    st.floats(0.05, 1),
)
def test_filters_only_mask(logits, temperature, k, p, m, mass):
    """Something is always left, and what is left keeps its logit, divided by the temperature."""
    out = Filters(temperature=temperature, top_k=k, top_p=p, min_p=m, typical_p=mass)(logits)
    left = out.isfinite()
    assert 1 <= int(left.sum())
    assert torch.equal(out[left], (logits / temperature)[left])


@given(logit_rows, st.floats(0.01, 1))
def test_min_p_and_a_constant(logits, p):
    """A constant added to all logits changes no probability, so nothing that min-p keeps."""
    shifted = min_p(logits + 3.0, p).isfinite()
    probabilities = logits.softmax(-1)
    close_call = (probabilities - p * probabilities.amax()).abs() < 1e-6
    assert torch.equal(shifted | close_call, min_p(logits, p).isfinite() | close_call)


def test_the_penalty_is_not_blind_to_a_constant():
    """What the docstring warns of: the same probabilities, another penalty."""
    logits, seen = P.log(), torch.tensor([[True, False, False, False]])
    here = repetition_penalty(logits, seen, 1.5).softmax(-1)
    there = repetition_penalty(logits + 5, seen, 1.5).softmax(-1)
    assert abs(here[0, 0] - there[0, 0]) > 0.1


def chi_square_p(draws: torch.Tensor, want: torch.Tensor) -> float:
    """Probability of a chi-square at least this large if the draws follow `want`."""
    counts = draws.bincount(minlength=len(want)).double()
    if counts[want == 0].any():
        return 0.0
    possible = want > 0
    expected = want[possible].double() * len(draws)
    assert expected.min() >= 5, "too few draws for the test to hold"
    statistic = ((counts[possible] - expected).square() / expected).sum()
    return float(chi2.sf(float(statistic), df=int(possible.sum()) - 1))


def by_hand(p: torch.Tensor, temperature: float, kept: list[int]) -> torch.Tensor:
    """p^(1/T) over what is kept, normalised: written without logits or filters."""
    weights = torch.zeros_like(p)
    weights[kept] = p[kept] ** (1 / temperature)
    return weights / weights.sum()


EIGHT = torch.tensor([0.30, 0.22, 0.16, 0.12, 0.08, 0.06, 0.04, 0.02])
CASES = {
    "plain": (Filters(), 1.0, list(range(8))),
    "hot": (Filters(temperature=1.6), 1.6, list(range(8))),
    "top_k": (Filters(temperature=0.7, top_k=4), 0.7, [0, 1, 2, 3]),
    "top_p": (Filters(top_p=0.75), 1.0, [0, 1, 2, 3]),
    "min_p": (Filters(min_p=0.25), 1.0, [0, 1, 2, 3, 4]),
    "typical": (Filters(typical_p=0.5), 1.0, [1, 2, 3]),
}


@pytest.mark.parametrize("name", CASES)
def test_draws_follow_the_filtered_distribution(name):
    filters, temperature, left = CASES[name]
    generator = torch.Generator().manual_seed(0)
    draws = filters.choose(EIGHT.log().expand(20_000, 8), generator=generator)
    assert chi_square_p(draws, by_hand(EIGHT, temperature, left)) > 0.01


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_sampler_fails(name):
    """The same test on draws at a temperature 10 % off, and on top-k off by one."""
    filters, temperature, left = CASES[name]
    want, generator = by_hand(EIGHT, temperature, left), torch.Generator().manual_seed(0)
    for wrong in (by_hand(EIGHT, 1.1 * temperature, left), by_hand(EIGHT, temperature, left[:-1])):
        draws = torch.multinomial(wrong, 20_000, replacement=True, generator=generator)
        assert chi_square_p(draws, want) < 0.001


def test_greedy_draws_nothing():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    chosen = Filters(temperature=0, top_p=0.1).choose(P.log().expand(5, 4), generator=generator)
    assert chosen.tolist() == [0] * 5
    assert torch.equal(before, generator.get_state())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": -0.1}, "temperature is -0.1, expected 0 .greedy. or more"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0, expected a whole number from 1"),
        ({"top_p": 1.3}, "top_p is 1.3, expected more than 0, up to 1"),
        ({"top_p": 0.0}, "top_p is 0.0, expected more than 0"),
        ({"min_p": -0.5}, "min_p is -0.5, expected 0 .keeps all. to 1"),
        ({"typical_p": 0.0}, "typical_p is 0.0, expected more than 0"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0, expected more than 0"),
    ],
)
def test_bad_values_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        Filters(**wrong)


def test_bad_values_are_named_by_the_functions_too():
    with pytest.raises(ValueError, match="min_p is 1.5"):
        min_p(P, 1.5)
    with pytest.raises(ValueError, match="typical_p is 2"):
        typical(P, 2.0)
    with pytest.raises(ValueError, match="repetition_penalty is -1"):
        repetition_penalty(P, P > 0, -1.0)
    with pytest.raises(ValueError, match="repetition_penalty is 1.2, so `seen` must say"):
        Filters(repetition_penalty=1.2)(P)
