"""The fault table: what may befall a run, and what must come of it.

Ranks and killed processes are forks of this one, which has imported torch already: a fresh process
would spend ten times as long importing as training. One test goes through torchrun itself.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.shards import write_shards
from course_lib.pretraining.checkpoints import checkpoint as ck
from course_lib.pretraining.checkpoints import folders
from course_lib.pretraining.checkpoints.faults import Policy
from course_lib.pretraining.loop.train import TrainConfig
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.pretraining.real_run.config import Exit, RunConfig
from course_lib.pretraining.real_run.drill import fork, fork_ranks, wait_for_step
from course_lib.pretraining.real_run.folder import curve, locked, read_log
from course_lib.pretraining.real_run.hooks import Run
from course_lib.pretraining.real_run.ranks import Ranks
from course_lib.pretraining.real_run.run import main
from course_lib.pretraining.real_run.supervise import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork and signals")
MODEL = ModelConfig(
    vocab_size=32, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=32, max_seq=64
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """60 documents of random tokens: about 8 batches an epoch, several documents a row."""
    draw, folder = random.Random(0), tmp_path_factory.mktemp("tokens") / "shards"
    documents = [[draw.randrange(1, 32) for _ in range(draw.randrange(3, 29))] for _ in range(60)]
    write_shards(documents, folder, 32, 0)
    return folder


@pytest.fixture
def config(shards, tmp_path) -> RunConfig:
    plan = TrainConfig(steps=30, batch_size=4, lr=3e-3, log_every=1, save_every=10)
    return RunConfig(
        out=tmp_path / "run", tokens=shards, model=MODEL, train=plan, seq_len=32, timeout=60.0
    )


def at(config: RunConfig, out: str, **plan) -> RunConfig:
    return replace(config, out=config.out.parent / out, train=replace(config.train, **plan))


def losses(config: RunConfig) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in curve(config.out / "log.jsonl")}


def events(config: RunConfig, kind: str) -> list[dict]:
    return [line for line in read_log(config.out / "log.jsonl") if line["event"] == kind]


def weights(config: RunConfig) -> bytes:
    return (folders.checkpoints(config.out / "checkpoints")[-1] / folders.MODEL).read_bytes()


class Held(Run):
    """A run that makes so many steps and stays there until a signal comes: SIGTERM, or SIGKILL."""

    hold = 5

    def batch_at(self, step):
        while step >= self.hold and not self.asked.number:
            time.sleep(0.01)
        return super().batch_at(step)


def held(hold: int) -> type[Held]:
    return type("HeldAt", (Held,), {"hold": hold})


# Resume


def test_resume_at_any_step_gives_the_next_20_losses_bit_for_bit(config):
    whole = at(config, "whole", save_every=1)
    assert run(replace(whole, keep=99)) == Exit.DONE
    reference, folder = losses(whole), whole.out / "checkpoints"
    assert len(reference) == 30 and reference[30] < reference[1]
    cursors = {}
    for step in (1, 4, 7, 10):
        state = json.loads((folders.step_folder(folder, step) / folders.STATE).read_text())
        cursors[step] = state["position"]["cursor"]
        again = at(config, f"from{step}", save_every=20)
        folders.step_folder(again.out / "checkpoints", step).parent.mkdir(parents=True)
        folders.step_folder(folder, step).rename(
            folders.step_folder(again.out / "checkpoints", step)
        )
        assert run(again) == Exit.DONE
        found = losses(again)
        assert min(found) == step + 1
        assert [found[s] for s in range(step + 1, step + 21)] == [
            reference[s] for s in range(step + 1, step + 21)
        ]
        assert weights(again) == weights(whole)
    assert {c["epoch"] for c in cursors.values()} >= {0, 1}, "the cuts fall in several epochs"
    assert any(c["row"] for c in cursors.values()), "and in the middle of a packed window"


def test_a_signal_saves_and_leaves_and_the_resume_is_exact(config, tmp_path):
    whole, cut = at(config, "whole", steps=40), at(config, "cut", steps=40)
    child = fork(partial(run, cut, Held), tmp_path / "said")
    wait_for_step(cut, 5)
    child.send(signal.SIGTERM)
    assert child.wait() == Exit.SAVED == 75
    saved = events(cut, "saved")[-1]["step"]
    assert saved == max(losses(cut)) and events(cut, "stopped")[-1]["signal"] == signal.SIGTERM
    short = replace(cut, train=replace(cut.train, log_every=7))  # this may differ
    assert run(short) == Exit.DONE
    assert events(cut, "resumed")[-1]["step"] == saved
    assert run(whole) == Exit.DONE
    assert weights(cut) == weights(whole)


def test_kill_9_loses_no_more_than_the_steps_since_the_last_save(config, tmp_path):
    child = fork(partial(run, config, held(13)), tmp_path / "said")
    wait_for_step(config, 13)
    child.send(signal.SIGKILL)
    child.wait()
    assert run(config) == Exit.DONE
    assert events(config, "resumed")[-1]["step"] >= 10
    whole = at(config, "whole")
    assert run(whole) == Exit.DONE
    assert losses(config) == losses(whole) and weights(config) == weights(whole)


def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_it_used(config, capsys):
    assert run(config) == Exit.DONE
    done, folder = weights(config), config.out / "checkpoints"
    path = folder / "step-00000030" / folders.OPTIMIZER
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert run(config) == Exit.DONE
    assert events(config, "resumed")[-1]["step"] == 20
    assert "optimizer.safetensors: checksum mismatch" in events(config, "refused")[-1]["what"]
    assert weights(config) == done
    for path in folder.rglob("model.safetensors"):
        path.write_bytes(b"")
    assert run(config) == Exit.REFUSED
    assert "all are damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, named",
    [
        ({"train": {"lr": 1.0}}, "train.lr was 0.003 and is now 1.0"),
        ({"train": {"batch_size": 6}}, "train.batch_size was 4 and is now 6"),
        ({"model": {"d_ff": 64}}, "is (16, 32), the model's is (16, 64)"),
        ({"model": {"rope_theta": 500.0}}, "model.rope_theta was 10000.0 and is now 500.0"),
    ],
)
def test_another_config_is_refused_by_name(config, capsys, change, named):
    short = at(config, "run", steps=1)
    assert run(short) == Exit.DONE
    before = weights(short)
    other = replace(short, **{k: replace(getattr(short, k), **v) for k, v in change.items()})
    assert run(other) == Exit.REFUSED
    assert named in capsys.readouterr().err
    assert weights(short) == before


def test_a_checkpoint_of_the_bare_loop_is_refused(config, capsys):
    model = Decoder(MODEL)
    ck.save_checkpoint(config.out / "checkpoints", 1, model, AdamW(model.parameters()))
    assert run(config) == Exit.REFUSED
    assert "was saved by train() itself" in capsys.readouterr().err


# The disk


@pytest.mark.parametrize("files", [0, 2])
def test_a_full_disk_ends_the_run_with_its_cause(config, capsys, monkeypatch, files):
    assert run(config) == Exit.DONE
    saved, real, count = weights(config), folders.write, []

    def full(path, content):
        count.append(path)
        if len(count) > files:
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(ck, "write", full)
    folders.remove(config.out / "checkpoints" / "step-00000030")
    assert run(config) == Exit.STORAGE == 4
    assert "step-00000030: not saved, the disk is full" in capsys.readouterr().err
    newest = folders.latest_valid(config.out / "checkpoints")
    assert newest.name == "step-00000020"
    monkeypatch.undo()
    assert run(config) == Exit.DONE and weights(config) == saved


def test_a_limit_that_the_system_enforces_ends_the_run_with_its_cause(config, tmp_path):
    """No pretence: the kernel refuses to let the file grow past 20 kB."""
    resource = pytest.importorskip("resource")

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        return run(config)

    child = fork(limited, tmp_path / "said")
    assert child.wait() == Exit.STORAGE
    assert "step-00000010: not saved, File too large" in child.said
    assert not any((config.out / "checkpoints").iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mount needs root")
def test_a_disk_that_is_really_full(config, tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("root may not mount here")
    try:
        small = replace(config, out=disk, keep=1)
        assert run(small) == Exit.DONE
        (disk / "ballast").write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize))
        saved = weights(small)
        layer = torch.nn.Linear(99, 99)
        with pytest.raises(OSError, match="the disk is full"):
            ck.save_checkpoint(disk / "checkpoints", 41, layer, torch.optim.SGD(layer.parameters()))
        assert weights(small) == saved and folders.latest_valid(disk / "checkpoints")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# Numbers that can't be right


class Poisoned(Run):
    """A run in which one number of one step is spoiled."""

    where, value, at_steps = "gradient", float("nan"), (7,)

    def batch_at(self, step):
        inputs, targets = super().batch_at(step)
        self.spoil = step + 1 in self.at_steps
        if self.spoil and self.where == "targets":
            targets = torch.where(targets > 0, 31 - targets, targets)
        return inputs, targets

    def gather(self, model, loss):
        if self.spoil and self.where == "gradient":
            dict(model.named_parameters())["blocks.1.mlp.down.weight"].grad[0, 0] = self.value
        if self.spoil and self.where == "loss":
            loss = loss * self.value
        return super().gather(model, loss)

    def _place(self, model):
        if self.where != "loss":
            return super()._place(model)
        hook = model.blocks[1].attention.register_forward_hook(lambda m, a, out: out * self.value)
        try:
            return super()._place(model)
        finally:
            hook.remove()


def poisoned(**how) -> type[Poisoned]:
    return type("Spoiled", (Poisoned,), how)


@pytest.mark.parametrize(
    "value, where, named",
    [
        (float("nan"), "gradient", "gradient of blocks.1.mlp.down.weight"),
        (float("inf"), "loss", "output of blocks.1.attention"),
    ],
)
def test_a_number_that_is_none_stops_the_run_before_the_update(config, capsys, value, where, named):
    config = at(config, "run", steps=12)
    assert run(config, poisoned(where=where, value=value)) == Exit.BAD_NUMBER == 3
    said, event = capsys.readouterr().err, events(config, "nonfinite")[0]
    assert "step 7" in said and named in said and str(event["documents"]) in said
    assert event["step"] == 7 and event["action"] == "stopped" and len(event["documents"]) > 3
    clean = at(config, "clean", save_every=6)
    assert run(clean) == Exit.DONE
    assert events(config, "saved")[-1]["step"] == 6
    assert run(config) == Exit.DONE  # the cause is gone: on from the same rows
    assert weights(config) == weights(clean)


def test_a_number_that_is_none_may_be_skipped(config):
    config = at(config, "run", steps=12)
    assert run(replace(config, policy=Policy(nonfinite="skip")), Poisoned) == Exit.DONE
    assert [e["action"] for e in events(config, "nonfinite")] == ["skipped"]
    found, clean = losses(config), at(config, "clean")
    assert run(clean) == Exit.DONE
    assert all(found[s] == losses(clean)[s] for s in range(1, 8))
    assert found[9] != losses(clean)[9] and len(found) == 12


def test_one_bad_step_after_another_ends_the_run(config, capsys):
    patient = replace(config, policy=Policy(nonfinite="skip", patience=3))
    assert run(patient, poisoned(at_steps=range(5, 30))) == Exit.BAD_NUMBER
    assert "3 steps in a row" in capsys.readouterr().err
    assert [e["action"] for e in events(config, "nonfinite")] == ["skipped", "skipped", "stopped"]


def test_a_spike_is_skipped_or_warned_of_and_logged(config, tmp_path):
    draw = random.Random(1)
    write_shards(
        [[draw.randrange(1, 4) for _ in range(20)] for _ in range(40)], tmp_path / "t", 32, 0
    )
    calm = replace(at(config, "run", steps=24, lr=1e-2, save_every=24), tokens=tmp_path / "t")
    after = {}
    for policy, action in (("skip", "skipped"), ("warn", "warned")):
        spiky = replace(calm, out=tmp_path / policy, policy=Policy(spike=policy, memory=20))
        assert run(spiky, poisoned(where="targets", at_steps=(20,))) == Exit.DONE
        found = events(spiky, "spike")
        assert [(e["step"], e["action"]) for e in found] == [(20, action)]
        assert "standard deviations above" in found[0]["reason"] and found[0]["documents"]
        after[policy] = losses(spiky)
    assert after["skip"][20] == after["warn"][20] > 2 * after["skip"][19]
    assert after["warn"][21] > after["skip"][21], "what was learned from nonsense shows"


# Two runs, many ranks


def test_the_second_run_in_a_folder_refuses_and_names_the_first(config, capsys, tmp_path):
    child = fork(partial(run, config, Held), tmp_path / "said")
    wait_for_step(config, 2)
    assert run(config) == Exit.IN_USE == 5
    said = capsys.readouterr().err
    assert f"process {child.pid} on {socket.gethostname()} trains here" in said
    child.send(signal.SIGKILL)
    child.wait()
    with locked(config.out, Ranks()):
        pass  # the killed run's lock went with it


def test_one_rank_and_two_agree_and_each_repeat_is_bit_exact(config, tmp_path):
    short = at(config, "run", steps=20, save_every=10)
    one, two, again = (at(short, name) for name in ("one", "two", "again"))
    assert run(one) == Exit.DONE
    for pair in (two, again):
        assert [child.wait() for child in fork_ranks(partial(run, pair), 2, tmp_path)] == [0, 0]
    assert losses(two) == losses(again) and weights(two) == weights(again)
    a, b = losses(one), losses(two)
    assert max(abs(a[s] - b[s]) / a[s] for s in a) <= 1e-6
    x, y = (ck.load(weights(c)) for c in (one, two))
    apart = sum((x[n] - y[n]).square().sum() for n in x) / sum(x[n].square().sum() for n in x)
    assert 0 < apart.sqrt() <= 1e-6, "no more apart than rounding, and not the same program"
    # On from two ranks' checkpoint with one: the rows are shared out anew.
    folders.remove(two.out / "checkpoints" / "step-00000020")
    assert run(two) == Exit.DONE
    assert events(two, "resumed")[-1] | {"time": 0} == {
        "time": 0,
        "event": "resumed",
        "step": 10,
        "ranks": 1,
        "saved_by": 2,
    }
    c = losses(two)
    assert max(abs(a[s] - c[s]) / a[s] for s in a) <= 1e-6


def test_a_number_of_ranks_that_does_not_divide_the_rows_is_refused(config, tmp_path):
    odd = at(config, "run", batch_size=3)
    assert [c.wait() for c in fork_ranks(partial(run, odd), 2, tmp_path)] == [Exit.REFUSED] * 2
    assert "batch_size=3 can't be shared evenly by 2" in (tmp_path / "rank1.txt").read_text()


def test_a_killed_rank_ends_the_others_at_once(config, tmp_path):
    """At once: `wait` is patient for 90 seconds, the timeout of a rank that is silent is 300."""
    long = replace(at(config, "run", steps=4000), timeout=300.0)
    first, second = fork_ranks(partial(run, long), 2, tmp_path)
    wait_for_step(long, 3)
    second.send(signal.SIGKILL)
    assert first.wait() == Exit.LOST_RANK
    second.wait()
    assert "lost a rank: rank 0 of 2" in first.said


def test_a_stopped_rank_ends_the_others_at_the_timeout(config, tmp_path):
    long = replace(at(config, "run", steps=4000), timeout=8.0)
    first, second = fork_ranks(partial(run, long), 2, tmp_path)
    wait_for_step(long, 3)
    began = time.monotonic()
    second.send(signal.SIGSTOP)
    assert first.wait() == Exit.LOST_RANK
    assert time.monotonic() - began > 1, "not at once: it may only be slow"
    second.send(signal.SIGKILL)
    second.wait()


def test_two_ranks_get_the_same_verdict_and_name_the_rank(config, tmp_path):
    class OneRank(Poisoned):
        where = "loss"

        def batch_at(self, step):
            rows = super().batch_at(step)
            self.spoil = self.spoil and self.ranks.rank == 1
            return rows

        def _place(self, model):
            return super()._place(model) if self.ranks.rank == 1 else Run._place(self, model)

    children = fork_ranks(partial(run, config, OneRank), 2, tmp_path)
    assert [c.wait() for c in children] == [Exit.BAD_NUMBER] * 2
    assert events(config, "nonfinite")[0]["where"] == ["rank 1: output of blocks.1.attention"]


def test_torchrun_runs_the_command_and_a_killed_rank_ends_it(shards, tmp_path):
    """The command of the page, on two ranks, until one is killed; then on one rank to the end."""
    out = tmp_path / "run"
    sizes = ["--steps", "200", "--rows", "2", "--seq-len", "32", "--log-every", "1"]
    options = ["--tokens", str(shards), "--out", str(out), *sizes, "--save-every", "5"]
    torchrun = ["torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    lo = "lo0" if sys.platform == "darwin" else "lo"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            *torchrun,
            "--nproc-per-node=2",
            "-m",
            "course_lib.pretraining.real_run.run",
            *options,
        ],
        env=os.environ | {"GLOO_SOCKET_IFNAME": lo, "TP_SOCKET_IFNAME": lo, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 240
        while len(curve(out / "log.jsonl")) < 8:
            assert process.poll() is None, process.stderr.read()[-3000:]
            assert time.monotonic() < end
            time.sleep(0.05)
        owner = json.loads((out / "owner.json").read_text())
        assert owner["ranks"] == 2
        os.kill(owner["pid"], signal.SIGKILL)
        assert process.wait(240) != 0  # how fast is measured above, without torchrun's own leaving
    finally:
        process.kill()
        process.wait()
    assert "lost a rank" in process.stderr.read()
    assert main([*options, "--profile", "cpu"]) == Exit.DONE
    resumed = [event for event in read_log(out / "log.jsonl") if event["event"] == "resumed"]
    assert resumed[-1]["saved_by"] == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--steps", "0"), "steps=0: expected at least 1"),
        (("--rows", "0"), "batch_size=0: expected at least 1"),
        (("--lr", "0"), "lr=0.0"),
        (("--seq-len", "0"), "0"),
    ],
)
def test_a_zero_is_refused_and_not_taken_for_the_profiles_size(
    shards, tmp_path, monkeypatch, capsys, wrong, said
):
    monkeypatch.setenv("COURSE_PROFILE", "cpu")
    options = ["--out", str(tmp_path / "run"), "--tokens", str(shards), *wrong]
    assert main(options) == Exit.REFUSED
    assert said in capsys.readouterr().err
