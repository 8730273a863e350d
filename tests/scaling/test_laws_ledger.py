"""The ledger: its entropy by hand, its samples against its frequencies."""

import math

import numpy as np
import pytest
import torch

from course_lib.scaling.laws.ledger import FIELDS, START, Ledger, LedgerConfig, zipf_exponents

SMALL = LedgerConfig(names=4, attributes=3, values=5)


def test_uniform_entropy_is_the_logarithm_of_the_number_of_facts():
    ledger = Ledger(LedgerConfig(names=4, attributes=4, power=0.0))
    assert ledger.entropy == pytest.approx(math.log(16) / FIELDS)


def test_zipf_frequencies_by_hand():
    ledger = Ledger(LedgerConfig(names=3, attributes=1, power=1.0, shift=1.0))
    np.testing.assert_allclose(ledger.probabilities, np.array([6, 3, 2]) / 11)


def test_surprisal_of_a_sample_comes_near_the_entropy():
    ledger = Ledger(SMALL)
    rows = ledger.rows(2_000, 30, seed=1)
    assert rows.nats_per_token == pytest.approx(ledger.entropy, abs=0.01)
    assert rows.nats_per_token != ledger.entropy


def test_a_fact_has_one_value_and_fields_have_their_own_tokens():
    rows = Ledger(SMALL).rows(300, 30, seed=2).tokens
    assert (rows[:, 0] == START).all()
    records = rows[:, 1:].reshape(-1, FIELDS)
    for field, (low, high) in enumerate([(1, 4), (5, 7), (8, 12)]):
        assert records[:, field].min() >= low and records[:, field].max() <= high
    facts = {tuple(r[:2].tolist()) for r in records}
    assert len({tuple(r.tolist()) for r in records}) == len(facts) > 8


def test_inputs_and_targets_are_shifted_by_one_and_seeds_differ():
    rows = Ledger(SMALL).rows(3, 6, seed=0)
    assert torch.equal(rows.inputs[:, 1:], rows.targets[:, :-1])
    assert not torch.equal(rows.tokens, Ledger(SMALL).rows(3, 6, seed=1).tokens)
    assert torch.equal(rows.tokens, Ledger(SMALL).rows(3, 6, seed=0).tokens)


def test_unseen_share_falls_and_agrees_with_a_simulation():
    ledger = Ledger(LedgerConfig(names=32, attributes=16))
    expected = ledger.unseen(np.array([0.0, 300.0, 3_000.0]))
    assert expected[0] == pytest.approx(1.0) and expected[1] > expected[2] > 0
    random, shares = np.random.default_rng(0), []
    for _ in range(200):
        seen = np.unique(random.choice(512, 100, p=ledger.probabilities))
        shares.append(1 - ledger.probabilities[seen].sum())
    assert np.mean(shares) == pytest.approx(expected[1], rel=0.03)


def test_exponents_and_refusals():
    assert zipf_exponents(1.5) == (0.5, pytest.approx(1 / 3))
    with pytest.raises(ValueError, match=r"power=1\.0"):
        zipf_exponents(1.0)
    with pytest.raises(ValueError, match="seq=7"):
        Ledger(SMALL).rows(1, 7, seed=0)
    with pytest.raises(ValueError, match="names=0"):
        LedgerConfig(names=0)
