"""The ladder: one change a rung, equal compute, and what its runs are made into."""

import json
from dataclasses import asdict, replace

import pytest
import torch

from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.packing import Packed
from course_lib.studies.architecture import ladder as ladder_study
from course_lib.studies.architecture.ladder import LadderConfig, flops_per_token, rungs
from course_lib.studies.pretraining.texts import Texts


def test_each_rung_changes_one_thing_at_equal_compute():
    ladder = rungs(768, 192)
    configs = list(ladder.values())
    for below, above in zip(configs, configs[1:], strict=False):
        before, after = asdict(below), asdict(above)
        changed = {name for name in before if before[name] != after[name]} - {"d_ff"}
        assert len(changed - {"n_experts", "top_k"}) == 1
    flops = [flops_per_token(config, 192) for config in configs]
    assert max(flops) / min(flops) < 1.01
    sizes = [sum(w.numel() for w in Decoder(config).parameters()) for config in configs]
    assert max(sizes[:-1]) / min(sizes[:-1]) < 1.1  # learned positions cost weights, no FLOPs
    assert sizes[-1] > 1.3 * sizes[-2]  # half of the experts' weights idle


def test_steps_by_hand():
    def run(rung, seed, lr, final):
        return {"rung": rung, "seed": seed, "lr": lr, "early": 9.0, "final": final}

    data = {
        "rungs": [{"rung": "low", "lr": 0.1}, {"rung": "high", "lr": 0.2}],
        "runs": [
            run("low", 1, 0.1, 2.0),
            run("low", 0, 0.1, 1.0),
            run("low", 0, 0.2, 5.0),
            run("high", 0, 0.2, 0.5),
            run("high", 1, 0.2, 1.7),
            run("high", 0, 0.1, 7.0),
            run("high", 7, 0.2, 9.0),  # chose the rate
        ],
    }
    low, high = ladder_study.steps_of(data, seeds=(0, 1))
    assert low.losses == [1.0, 2.0]
    assert low.gain == 0
    assert high.gains == pytest.approx([0.5, 0.3])
    assert high.gain == pytest.approx(0.4)
    assert high.half_width == pytest.approx(12.706 * 0.1)  # s / sqrt(2) = 0.1


@pytest.fixture
def tiny(monkeypatch) -> LadderConfig:
    """Rows of a text in which every token is the one before plus one: any rung learns it."""
    start = torch.arange(64).unsqueeze(1)
    row = (start + torch.arange(17)) % 13 + 1
    packed = Packed(row[:, :-1], row[:, 1:])
    known = Texts(packed, packed[:8], 0.0, eos_id=0, vocab_size=14)
    monkeypatch.setattr(ladder_study, "texts", lambda *sizes: known)

    class Known:
        vocab_size = 14

    monkeypatch.setattr(ladder_study.lineage, "tokenizer", Known)
    small = {name: rungs(14, 16)[name] for name in ("GPT", "2 of 4 experts")}
    small = {name: replace(config, d_model=16, n_layers=1) for name, config in small.items()}
    monkeypatch.setattr(ladder_study, "rungs", lambda vocab_size, seq: small)
    return LadderConfig(seeds=(1, 2), rates=(1e-3, 3e-2), steps=30, early=10, rows=4, seq=16)


def test_the_best_rate_goes_on_and_a_finished_run_is_not_run_again(tiny, tmp_path, monkeypatch):
    told = []
    data = ladder_study.ladder(tiny, tmp_path, lambda share, text: told.append((share, text)))
    assert len(data["runs"]) == len(told)
    for rung in data["rungs"]:  # the best rate lies inside, though the grid began with two
        mine = [run for run in data["runs"] if run["rung"] == rung["rung"]]
        tried = [run["lr"] for run in mine if run["seed"] == tiny.tuning_seed]
        assert {1e-3, 3e-2} < set(tried)
        assert min(tried) < rung["lr"] < max(tried)
        assert [run["seed"] for run in mine if run["seed"] != 0] == [1, 2]
    assert all(run["final"] < run["early"] < 3 for run in data["runs"])
    assert json.dumps(data)
    monkeypatch.setattr(ladder_study, "climb", None)  # nothing is left to train
    assert ladder_study.ladder(tiny, tmp_path, lambda *_: None) == data


def test_an_early_stop_is_the_beginning_of_the_whole_run(tiny):
    config = ladder_study.rungs(14, 16)["GPT"]
    whole = ladder_study.climb(config, 3e-2, 0, tiny)
    begun = ladder_study.climb(config, 3e-2, 0, tiny, until=tiny.early)
    assert list(whole) == [10, 30]
    assert begun == {10: whole[10]}
