"""Branches are the very runs they stand for, and cost less."""

import copy

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.scaling.laws.grid import BranchConfig, steps_taken, trunk_and_branches
from course_lib.scaling.laws.ledger import Ledger, LedgerConfig

LEDGER = Ledger(LedgerConfig(names=8, attributes=4, values=4))
ROWS = LEDGER.rows(160, 12, seed=1)


def batch_at(step: int):
    return ROWS.inputs[4 * step : 4 * step + 4], ROWS.targets[4 * step : 4 * step + 4]


def small_model() -> Decoder:
    config = ModelConfig(
        vocab_size=LEDGER.config.vocab_size,
        d_model=8,
        n_layers=1,
        n_heads=1,
        n_kv_heads=1,
        d_ff=16,
        max_seq=12,
    )
    return Decoder(config, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def loss_of(model) -> float:
    logits = model(ROWS.inputs)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ROWS.targets.flatten()).item()


def test_a_branch_is_bit_for_bit_the_run_of_its_own_length():
    model = small_model()
    both = trunk_and_branches(
        copy.deepcopy(model), batch_at, loss_of, BranchConfig(steps=(20, 40), lr=1e-2)
    )
    for steps, from_trunk in zip((20, 40), both, strict=True):
        config = BranchConfig(steps=(steps,), lr=1e-2)
        alone = trunk_and_branches(copy.deepcopy(model), batch_at, loss_of, config)
        assert alone == [from_trunk]
    assert both[1] < both[0] < loss_of(model)


def test_rate_falls_in_a_straight_line_to_its_end():
    config = BranchConfig(steps=(10,), lr=1.0, decay=0.4, warmup_steps=1)
    assert config.branch_at(10) == 6
    rates = [config.decayed(step, 10) for step in range(6, 10)]
    assert rates == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_steps_are_saved():
    config = BranchConfig(steps=(100, 200, 400), lr=1e-2, decay=0.25)
    assert steps_taken(config) == 300 + 25 + 50 + 100 < 700


def test_refusals():
    with pytest.raises(ValueError, match="steps="):
        BranchConfig(steps=(20, 10), lr=1e-2)
    with pytest.raises(ValueError, match="decay=0.0"):
        BranchConfig(steps=(20,), lr=1e-2, decay=0.0)


def test_a_warm_up_longer_than_the_trunk_rises_until_it_meets_the_falling_line():
    config = BranchConfig(steps=(10,), lr=1.0, decay=0.4, warmup_steps=20)
    assert [config.decayed(step, 10) for step in range(6, 10)] == pytest.approx(
        [0.35, 0.4, 0.4, 0.2]
    )


def test_the_undecayed_trunk_is_read_at_every_budget_and_changes_no_branch():
    config = BranchConfig(steps=(20, 40), lr=1e-2)
    read = {}
    branches = trunk_and_branches(
        small_model(),
        batch_at,
        loss_of,
        config,
        undecayed=lambda steps, model: read.update({steps: loss_of(model)}),
    )
    assert branches == trunk_and_branches(small_model(), batch_at, loss_of, config)
    assert list(read) == [20, 40] and read[40] < read[20]
    assert all(abs(read[s] - b) > 1e-4 for s, b in zip((20, 40), branches, strict=True))
