"""PyTorch's engines under `course pretrain`: the losses of one process, and no part is lost."""

import random
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.shards import write_shards
from course_lib.pretraining.checkpoints import folders
from course_lib.pretraining.checkpoints.checkpoint import load_checkpoint
from course_lib.pretraining.loop.train import TrainConfig, total_norm
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.pretraining.real_run.config import Exit, RunConfig
from course_lib.pretraining.real_run.drill import fork_ranks, wait_for_step
from course_lib.pretraining.real_run.folder import curve, read_log
from course_lib.pretraining.real_run.hooks import Run
from course_lib.pretraining.real_run.parallel import Layout, load_whole, require_splittable
from course_lib.pretraining.real_run.ranks import Ranks
from course_lib.pretraining.real_run.supervise import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork and signals")
MODEL = ModelConfig(
    vocab_size=32, d_model=16, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=32, max_seq=64
)
TWO, FOUR = Layout("fsdp"), Layout("fsdp+tp", 2)


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> RunConfig:
    draw, folder = random.Random(0), tmp_path_factory.mktemp("runs")
    documents = [[draw.randrange(1, 32) for _ in range(draw.randrange(3, 29))] for _ in range(60)]
    write_shards(documents, folder / "tokens", 32, 0)
    train = TrainConfig(steps=12, batch_size=4, lr=3e-3, log_every=1, save_every=5)
    return RunConfig(
        out=folder / "run",
        tokens=folder / "tokens",
        model=MODEL,
        train=train,
        seq_len=32,
        timeout=60.0,
    )


@pytest.fixture(scope="module")
def alone(plan) -> RunConfig:
    """One process, no engine: what all others must equal."""
    config = replace(plan, out=plan.out.parent / "alone")
    assert run(config) == Exit.DONE
    return config


def ended(config: RunConfig, size: int, folder: Path, hooks: type[Run] = Run) -> list[int]:
    folder.mkdir(exist_ok=True)
    return [child.wait() for child in fork_ranks(partial(run, config, hooks), size, folder)]


def losses(config: RunConfig) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in curve(config.log)}


def apart(config: RunConfig, other: RunConfig) -> float:
    a, b = losses(config), losses(other)
    assert a.keys() == b.keys() == set(range(1, 13))
    return max(abs(a[step] - b[step]) / b[step] for step in a)


def weights(config: RunConfig) -> dict[str, torch.Tensor]:
    """Those of the last checkpoint, by name in a Decoder, however it was saved."""
    model, path = Decoder(config.model), folders.latest_valid(config.checkpoints)
    if config.layout.sharded:
        load_whole(path, model)
    else:
        load_checkpoint(path, model, AdamW(model.parameters(), lr=1e-3))
    return model.state_dict()


@pytest.mark.parametrize(
    "layout, size",
    [(Layout("ddp"), 2), (TWO, 1), (TWO, 2), (FOUR, 2), (FOUR, 4)],
    ids=["ddp on 2", "fsdp on 1", "fsdp on 2", "tp on 2", "fsdp+tp on 4"],
)
def test_losses_norms_and_weights_are_those_of_one_process(plan, alone, tmp_path, layout, size):
    config = replace(plan, out=tmp_path / "run", layout=layout)
    assert ended(config, size, tmp_path) == [Exit.DONE] * size
    assert apart(config, alone) <= 1e-6
    norms = [[line["grad_norm"] for line in curve(one.log)] for one in (config, alone)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    ours, theirs = weights(config), weights(alone)
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=0, atol=2e-5)


class StopAtSix(Run):
    """Asked to stop at step 6, as a queue would: with SIGTERM."""

    def batch_at(self, step):
        if step == 6:
            self.asked.number = signal.SIGTERM
        return super().batch_at(step)


def test_a_run_goes_on_however_many_ranks_cut_it_otherwise(plan, alone, tmp_path):
    config = replace(plan, out=tmp_path / "run", layout=FOUR)
    assert ended(config, 4, tmp_path, StopAtSix) == [Exit.SAVED] * 4
    there = replace(config, layout=TWO)
    assert ended(there, 1, tmp_path) == [Exit.DONE]
    resumed = [line for line in read_log(config.log) if line["event"] == "resumed"]
    assert [line["step"] for line in resumed] == [7]
    assert apart(config, alone) <= 1e-6


class HeldAtEight(Run):
    """Stays at step 8 until it is killed."""

    def batch_at(self, step):
        while step >= 8:
            signal.pause()
        return super().batch_at(step)


def test_a_killed_run_begins_at_its_last_whole_checkpoint(plan, alone, tmp_path):
    config = replace(plan, out=tmp_path / "run", layout=TWO)
    children = fork_ranks(partial(run, config, HeldAtEight), 2, tmp_path)
    wait_for_step(config, 8)
    for child in children:
        child.send(signal.SIGKILL)
    assert [child.wait() for child in children] == [-signal.SIGKILL] * 2
    assert [path.name for path in folders.checkpoints(config.checkpoints)] == ["step-00000005"]
    assert ended(config, 2, tmp_path) == [Exit.DONE] * 2
    assert apart(config, alone) <= 1e-6


def test_a_damaged_part_is_named_and_the_checkpoint_before_it_taken(plan, tmp_path):
    config = replace(plan, out=tmp_path / "run", layout=TWO)
    assert ended(config, 2, tmp_path) == [Exit.DONE] * 2
    last = config.checkpoints / "step-00000012"
    part = sorted(last.glob("shard-00002*"))[0]
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert ended(config, 2, tmp_path) == [Exit.DONE] * 2
    refused = [line["what"] for line in read_log(config.log) if line["event"] == "refused"]
    assert len(refused) == 1 and part.name in refused[0] and "checksum" in refused[0]


@pytest.mark.parametrize("first, then", [(TWO, Layout()), (Layout(), TWO)], ids=["parts", "whole"])
def test_a_checkpoint_of_the_other_kind_is_refused(plan, tmp_path, first, then):
    config = replace(plan, out=tmp_path / "run", layout=first)
    assert ended(config, 1, tmp_path) == [Exit.DONE]
    assert ended(replace(config, layout=then), 1, tmp_path) == [Exit.REFUSED]
    assert "go on with --parallel" in (tmp_path / "rank0.txt").read_text()


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda: Layout("zero"), "parallel='zero': expected one of ours, ddp, fsdp"),
        (lambda: Layout("fsdp", 2), "tensor=2 with parallel=fsdp"),
        (lambda: Layout("fsdp+tp", 0), "tensor=0"),
        (lambda: FOUR.rows_of(Ranks(0, 3)), "3 rank\\(s\\) in groups of 2"),
        (lambda: require_splittable(MODEL, 4), "n_kv_heads=2 over 4 ranks"),
        (lambda: require_splittable(replace(MODEL, qk_norm=True), 2), "parallel=fsdp"),
    ],
    ids=["kind", "tensor", "none", "ranks", "heads", "norms"],
)
def test_what_cannot_be_is_refused_by_name(make, named):
    with pytest.raises(ValueError, match=named):
        make()


def test_the_norm_of_plain_gradients_is_torchs():
    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((3, 4), (5,), (2,))]
    assert total_norm(weights) == 0
    for weight in weights[:2]:
        weight.grad = torch.randn_like(weight)
    assert total_norm(weights) == torch.nn.utils.get_total_norm([w.grad for w in weights[:2]])
