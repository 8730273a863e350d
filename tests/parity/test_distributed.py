"""Our engines against torch's on two gloo ranks, and both against one process. One launch each."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from course_lib.architecture.decoder import Decoder, ModelConfig, save_model
from course_lib.distributed.launch import launch

ENGINES = ("our DDP", "our ZeRO", "torch DDP", "torch FSDP2")
CONFIG = ModelConfig(
    vocab_size=40, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=24, max_seq=12
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Weights and batches in, reports and weights out, for 1 and for 2 ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "model").mkdir()
    save_model(Decoder(CONFIG, generator=torch.Generator().manual_seed(0)), folder / "model")
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(1, 40, (3, 4, 12), generator=generator)
    inputs[:, :, 0] = 0
    targets = inputs.roll(-1, 2).clone()
    targets[:, :, -1] = -100
    targets[:, 2:, 5:] = -100  # the second rank has fewer tokens
    save_file({"inputs": inputs, "targets": targets}, folder / "batches.safetensors")
    job = {
        "step": {"lr": 1e-3, "eos_id": 0},
        "runs": [{"name": name, "engine": name} for name in ENGINES],
        "message_bytes": [],
        "repeats": 1,
    }
    (folder / "job.json").write_text(json.dumps(job))
    for ranks in (1, 2):
        launch("course_lib.distributed.worker", [str(folder)], ranks=ranks, timeout=240.0)
    return folder


def largest_difference(folder: Path, one: str, other: str) -> float:
    a, b = (load_file(folder / f"{name}.safetensors") for name in (one, other))
    assert a.keys() == b.keys()
    return max((a[name] - b[name]).abs().max().item() for name in a)


def test_weights_have_moved(folder):
    start = load_file(folder / "model" / "model.safetensors")
    end = load_file(folder / "p2 our DDP.safetensors")
    assert max((start[name] - end[name]).abs().max().item() for name in end) > 1e-3


@pytest.mark.parametrize("ours", ["our DDP", "our ZeRO"])
@pytest.mark.parametrize("reference", ["torch DDP", "torch FSDP2"])
def test_two_ranks_end_with_torchs_weights(folder, parity, ours, reference):
    name = {"our DDP": "data_parallel.DataParallel", "our ZeRO": "sharding.ShardedOptimizer"}[ours]
    parity(
        stem="distributed",
        ours=f"distributed.{name}",
        reference=f"{reference}, 2 gloo ranks",
        error=largest_difference(folder, f"p2 {ours}", f"p2 {reference}"),
        tolerance=1e-6,
        note="weights after 3 AdamW steps, fp64",
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_two_ranks_equal_one(folder, parity, engine):
    parity(
        stem="distributed",
        ours=f"{engine} on 2 ranks",
        reference="the same on 1 rank",
        error=largest_difference(folder, f"p2 {engine}", "p1 our DDP"),
        tolerance=1e-6,
        note="weights after 3 AdamW steps, fp64; shards of unequal token counts",
    )


def test_bytes_on_the_wire_are_the_formulas(folder):
    report = json.loads((folder / "p2.json").read_text())["runs"]
    numbers = sum(w.numel() for w in load_file(folder / "p2 our DDP.safetensors").values())
    for name in ("our DDP", "our ZeRO"):
        for sent in report[name]["sent_bytes"]:
            assert sent == pytest.approx(3 * 2 * (1 / 2) * numbers * 8, rel=0.01)  # padding
    assert report["our ZeRO"]["optimizer_numbers"][0] < 0.51 * 2 * numbers
    assert report["our DDP"]["apart"] == 0
