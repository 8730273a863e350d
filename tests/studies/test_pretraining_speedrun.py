"""The loss contest's parts: budgets, text, and both recipes on a tiny scale, uncompiled."""

import dataclasses
import math

import pytest
import torch

from course_lib.studies.pretraining import speedrun as study

TINY = study.SpeedrunConfig(
    core_seconds=0.6,
    megabytes=0.4,
    held_out_bytes=8_000,
    vocab=300,
    d_model=32,
    n_layers=1,
    n_heads=2,
    seq=16,
    batch_size=4,
    pairs=64,
    rounds=2,
    compile=False,
)


@pytest.fixture(scope="module")
def text() -> study.Text:
    return study.stdlib_text(TINY)


def test_text_predicts_every_held_out_token_once(text):
    rows = text.held_out
    assert torch.equal(rows[1:, 0], rows[:-1, -1])  # a row's last target begins the next row
    assert len(rows) % TINY.batch_size == 0
    assert 1.0 < text.held_out_bytes / rows[:, 1:].numel() < 8.0
    assert len(text.train) > 10 * TINY.seq


def test_batches_depend_on_the_step_alone(text):
    one, again, other = (study.batch_of(text, TINY, step) for step in (3, 3, 4))
    assert torch.equal(one[0], again[0]) and not torch.equal(one[0], other[0])
    assert torch.equal(one[0][:, 1:], one[1][:, :-1])


def test_both_spend_their_budget_and_learn(text):
    said = []
    runners = study.race(TINY, text, lambda share, words: said.append(words))
    assert [r.name for r in runners] == ["nanoGPT", "ours"]
    for runner in runners:
        assert TINY.core_seconds <= runner.spent < TINY.core_seconds + 1.0
        assert runner.steps == len(runner.curve) >= 3
        assert runner.curve[0][1] > runner.curve[-1][1]
        bits = runner.bits_per_byte(text, TINY.batch_size)
        assert 0.5 < bits < 8.0


def test_ours_starts_at_ln_v_and_muon_has_the_matrices_only(text):
    runner = study.fastest_recipe(TINY)
    loss = runner.loss_of(*study.batch_of(text, TINY, 0)).item()
    assert loss == pytest.approx(math.log(TINY.vocab), abs=1e-5)
    names = {id(p): name for name, p in runner.model.named_parameters()}
    by_muon = {
        names[id(p)]
        for group in runner.optimizer.param_groups
        if not group["adam"]
        for p in group["params"]
    }
    assert len(by_muon) == 4 and all(".blocks." in name for name in by_muon)
    moved = [id(p) for group in runner.optimizer.param_groups for p in group["params"]]
    assert sorted(moved) == sorted(names)  # each weight once
    rates = {
        names[id(p)]: group["lr"]
        for group in runner.optimizer.param_groups
        for p in group["params"]
    }
    assert rates["decoder.head.weight"] == TINY.head_lr
    assert rates["pairs.weight"] == rates["decoder.embed.weight"] == TINY.embed_lr


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="'theirs' is not one of nanoGPT, ours"):
        dataclasses.replace(TINY, contestants=("theirs",))
    with pytest.raises(ValueError, match="core_seconds=0"):
        dataclasses.replace(TINY, core_seconds=0.0)
