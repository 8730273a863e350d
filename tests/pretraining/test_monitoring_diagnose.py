"""Each fault is really there, each probe sees it and only it, and the rules name it."""

from dataclasses import replace

import pytest
import torch

from course_lib.data.mixing.packing import pack
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.pretraining.monitoring.broken import (
    FAULTS,
    HEALTHY,
    BrokenConfig,
    Text,
    go,
    held_out_loss,
    start,
)
from course_lib.pretraining.monitoring.diagnose import RULES, diagnose
from course_lib.pretraining.monitoring.symptoms import (
    PROBES,
    STATISTICS,
    Symptoms,
    cache_error,
    epochs,
    examine,
    recovered,
    sees_future,
    target_is_input,
)

WELL = Symptoms(
    last_loss=1.2,
    held_out=1.3,
    floor=0.6,
    largest_ratio=0.02,
    first_ratio=0.3,
    largest_gain=1.1,
    dead_layers=(),
    grad_zeros=0.0,
    sees_future=0.0,
    target_is_input=0.02,
    epochs=1.0,
    recovered=1.0,
    cache_error=1e-6,
)
CONFIG = BrokenConfig(steps=24, rows=4, seq_len=32, d_model=16, n_layers=2, repeated_rows=4)


@pytest.fixture(scope="module")
def text() -> Text:
    names = ("Anna", "Boris", "Clara", "Dora", "Emil")
    things = ("lamp", "hat", "bell", "rope", "coin", "drum")
    texts = [f"{a} gave the {t} to {b}." for a in names for b in names for t in things]
    tokenizer = train_bpe(texts, 320)
    foreign = train_bpe(["Which town is it? It is far away."] * 3 + texts[:2], 320)
    rows, other = (pack(t.encode_batch(texts), 32, t.eos_id) for t in (tokenizer, foreign))
    return Text(rows=rows, foreign=other, held_out=rows, tokenizer=tokenizer, floor=0.5)


def fresh(fault: str, text: Text):
    return start(fault, text, CONFIG, seed=1)


def test_unknown_fault(text):
    with pytest.raises(ValueError, match="fault='gremlins': expected one of healthy, no mask"):
        fresh("gremlins", text)


def test_the_model_without_a_mask_sees_the_future_and_no_other_does(text):
    assert sees_future(fresh(HEALTHY, text)) == 0
    assert sees_future(fresh("no mask", text)) > 1e-2


def test_labels_that_leak_are_the_inputs(text):
    assert target_is_input(fresh("leaked labels", text)) == 1
    assert target_is_input(fresh(HEALTHY, text)) < 0.3


def test_rows_of_a_foreign_tokenizer_do_not_come_back(text):
    assert recovered(fresh(HEALTHY, text)) == 1
    assert recovered(fresh("wrong tokenizer", text)) < 0.5


def test_the_shared_cache_remembers_the_first_request(text):
    assert cache_error(fresh(HEALTHY, text)) < 1e-4
    assert cache_error(fresh("stale cache", text)) > 1e-2


def test_epochs_by_hand(text):
    run = fresh("repeated data", text)
    run.log = [{}] * 10  # ten steps of 4 rows, from 4 different ones
    assert epochs(run) == 10


def test_fp16_rounds_small_gradients_to_zero(text):
    many = replace(CONFIG, accumulate=10**6)  # this vocabulary is small, so gradients are large
    run = go(start("fp16 without scaling", text, many, 1), many)
    well = go(fresh(HEALTHY, text), CONFIG)
    assert examine(run).grad_zeros > 0.1 > examine(well).grad_zeros
    assert run.log[0]["loss"] == pytest.approx(well.log[0]["loss"], rel=1e-2)


def test_the_dead_layers_are_the_ones_that_were_killed(text):
    symptoms = examine(go(fresh("dead layer", text), CONFIG))
    killed = {f"blocks.1.mlp.{w}" for w in ("gate", "up", "down")}
    assert set(symptoms.dead_layers) == killed | {"blocks.1.mlp_norm"}  # it feeds nobody else
    assert symptoms.grad_zeros == 0


def test_decay_shrinks_every_gain(text):
    strong = replace(CONFIG, norm_decay=20.0)
    run = go(start("decay on norms", text, strong, 1), strong)
    assert examine(run).largest_gain < 0.6
    assert examine(go(fresh(HEALTHY, text), CONFIG)).largest_gain > 0.9


def test_the_first_steps_are_long_without_warm_up(text):
    slow = replace(CONFIG, steps=60)
    without = examine(go(start("no warm-up", text, slow, 1), slow))
    well = examine(go(start(HEALTHY, text, slow, 1), slow))
    assert without.first_ratio > 1 > 0.8 > well.first_ratio


def test_a_high_rate_moves_the_weights_far(text):
    run = go(fresh("rate too high", text), CONFIG)
    assert examine(run).largest_ratio > 5 * examine(go(fresh(HEALTHY, text), CONFIG)).largest_ratio


def test_a_run_learns_and_is_measured_without_being_touched(text):
    run = go(fresh(HEALTHY, text), CONFIG)
    before = [w.clone() for w in run.decoder.parameters()]
    symptoms = examine(run)
    assert symptoms.last_loss < run.log[0]["loss"] - 1
    assert symptoms.held_out == pytest.approx(held_out_loss(run))
    assert all(torch.equal(a, b) for a, b in zip(before, run.decoder.parameters(), strict=True))
    assert run.sample("Anna", seed=1) == run.sample("Anna", seed=1)


def test_a_short_log_is_refused(text):
    with pytest.raises(ValueError, match="the log has 0 lines"):
        examine(fresh(HEALTHY, text))


SICK = {
    "leaked labels": {"target_is_input": 1.0},
    "no mask": {"sees_future": 0.5},
    "wrong tokenizer": {"recovered": 0.1},
    "repeated data": {"epochs": 50.0},
    "fp16 without scaling": {"grad_zeros": 0.6},
    "rate too high": {"largest_ratio": 0.3},
    "no warm-up": {"first_ratio": 1.8},
    "decay on norms": {"largest_gain": 0.3},
    "dead layer": {"dead_layers": ("blocks.1.mlp.down",)},
    "stale cache": {"cache_error": 3.0},
}


def test_there_is_a_rule_for_every_fault():
    assert {rule[0] for rule in RULES} == set(FAULTS) == set(SICK)
    assert diagnose(WELL).fault == HEALTHY and not diagnose(WELL).suspects


@pytest.mark.parametrize("fault", FAULTS)
def test_one_measurement_names_the_fault(fault):
    verdict = diagnose(replace(WELL, **SICK[fault]))
    assert verdict.fault == fault and len(verdict.findings) == 1


def test_not_a_number_is_a_finding():
    assert diagnose(replace(WELL, largest_ratio=float("nan"))).fault == "rate too high"


def test_what_explains_the_rest_is_named_first():
    verdict = diagnose(replace(WELL, sees_future=0.5, cache_error=2.0, grad_zeros=0.4))
    assert [f.fault for f in verdict.findings] == ["no mask", "fp16 without scaling", "stale cache"]


def test_curves_alone_leave_suspects():
    low = replace(WELL, last_loss=0.2, held_out=0.25, sees_future=0.5)
    assert diagnose(low).fault == "no mask"
    verdict = diagnose(low.only())
    assert verdict.fault == "unsure"
    assert {s.fault for s in verdict.suspects} == {"no mask", "leaked labels"}
    gap = replace(WELL, held_out=4.0, recovered=0.0).only(STATISTICS)
    assert {s.fault for s in diagnose(gap).suspects} == {"repeated data", "wrong tokenizer"}
    assert diagnose(WELL.only()).fault == HEALTHY


def test_only_keeps_what_was_asked():
    assert WELL.only(STATISTICS, PROBES) == WELL
    assert WELL.only().cache_error is None and WELL.only().held_out == 1.3
