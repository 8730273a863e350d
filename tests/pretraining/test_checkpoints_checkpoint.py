"""A checkpoint is whole or isn't there; a damaged one is named; a pickle is never read."""

import itertools
import json
import os
import pickle
import random
import signal
import sys

import pytest
import torch
from safetensors.torch import load_file

from course_lib.pretraining.checkpoints import checkpoint as ck
from course_lib.pretraining.checkpoints import folders
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.pretraining.real_run.drill import after, kill_during


def pair(seed: int = 0) -> tuple[torch.nn.Module, AdamW]:
    """A small model that has made one step, so that its optimizer has a state."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 1))
    optimizer = AdamW(model.parameters())
    model(torch.randn(4, 3)).square().mean().backward()
    optimizer.step()
    return model, optimizer


def numbers(model, optimizer) -> list[torch.Tensor]:
    moments = [optimizer.state[p][k] for p in model.parameters() for k in ("exp_avg", "exp_avg_sq")]
    return [*(p.detach().clone() for p in model.parameters()), *(m.clone() for m in moments)]


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    model, optimizer = pair()
    path = ck.save_checkpoint(tmp_path, 7, model, optimizer, {"position": [1, 2]})
    other, fresh = pair(seed=1)
    assert not same(numbers(model, optimizer), numbers(other, fresh))
    state = ck.load_checkpoint(path, other, fresh)
    assert state == {"step": 7, "position": [1, 2]}
    assert same(numbers(model, optimizer), numbers(other, fresh))
    assert fresh.state[next(other.parameters())]["step"].item() == 1
    assert sorted(p.name for p in path.iterdir()) == [
        "manifest.json",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]
    assert load_file(path / "model.safetensors").keys() == dict(model.named_parameters()).keys()


def test_the_newest_are_kept(tmp_path):
    model, optimizer = pair()
    for step in (1, 2, 3, 10):
        ck.save_checkpoint(tmp_path, step, model, optimizer, keep=2)
    assert [p.name for p in folders.checkpoints(tmp_path)] == ["step-00000003", "step-00000010"]
    # A run that went back past a damaged one writes its own future: the later ones go.
    ck.save_checkpoint(tmp_path, 5, model, optimizer, keep=2)
    assert [p.name for p in folders.checkpoints(tmp_path)] == ["step-00000003", "step-00000005"]
    with pytest.raises(ValueError, match="keep=0"):
        ck.save_checkpoint(tmp_path, 6, model, optimizer, keep=0)


def test_a_damaged_one_of_the_same_step_is_replaced_and_a_whole_one_stays(tmp_path):
    model, optimizer = pair()
    path = ck.save_checkpoint(tmp_path, 1, model, optimizer)
    born = (path / folders.MODEL).stat().st_ino
    assert (ck.save_checkpoint(tmp_path, 1, model, optimizer) / folders.MODEL).stat().st_ino == born
    (path / folders.MODEL).write_bytes(b"")
    ck.save_checkpoint(tmp_path, 1, model, optimizer)
    folders.verify_checkpoint(path)


HURTS = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "one bit": lambda data: data[:-9] + bytes([data[-9] ^ 4]) + data[-8:],
    "longer": lambda data: data + b" ",
}


@pytest.mark.parametrize("name", [folders.MODEL, folders.OPTIMIZER, folders.STATE])
@pytest.mark.parametrize("hurt", HURTS)
def test_damage_is_named_and_the_one_before_it_is_used(tmp_path, name, hurt):
    model, optimizer = pair()
    before = ck.save_checkpoint(tmp_path, 1, model, optimizer)
    path = ck.save_checkpoint(tmp_path, 2, model, optimizer)
    (path / name).write_bytes(HURTS[hurt]((path / name).read_bytes()))
    with pytest.raises(folders.Damaged, match=f"step-00000002/{name}: checksum mismatch"):
        ck.load_checkpoint(path, model, optimizer)
    said = []
    assert folders.latest_valid(tmp_path, said.append) == before
    assert len(said) == 1 and "checksum mismatch" in said[0]


def test_any_one_flipped_bit_is_found(tmp_path):
    """In any file, the manifest too: refused, never loaded as something else."""
    model, optimizer = pair()
    path = ck.save_checkpoint(tmp_path, 1, model, optimizer)
    draw = random.Random(0)
    for name in (folders.MODEL, folders.OPTIMIZER, folders.STATE, folders.MANIFEST):
        whole = (path / name).read_bytes()
        for _ in range(60):
            data = bytearray(whole)
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            (path / name).write_bytes(data)
            with pytest.raises(folders.Damaged):
                folders.verify_checkpoint(path)
        (path / name).write_bytes(whole)
    folders.verify_checkpoint(path)


@pytest.mark.parametrize("name", [folders.MODEL, folders.MANIFEST])
def test_a_missing_file_is_named(tmp_path, name):
    path = ck.save_checkpoint(tmp_path, 1, *pair())
    (path / name).unlink()
    with pytest.raises(folders.Damaged, match=f"{name}: unreadable"):
        folders.verify_checkpoint(path)
    assert folders.latest_valid(tmp_path, lambda text: None) is None


def test_no_checkpoint_is_none(tmp_path):
    assert folders.latest_valid(tmp_path / "nowhere") is None


def test_another_model_is_refused_and_nothing_changes(tmp_path):
    path = ck.save_checkpoint(tmp_path, 1, *pair())
    other = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 2))
    before = [p.detach().clone() for p in other.parameters()]
    with pytest.raises(ValueError, match=r"1.bias is \(1,\), the model's is \(2,\)"):
        ck.load_checkpoint(path, other, AdamW(other.parameters()))
    assert same(before, list(other.parameters()))
    more = torch.nn.Sequential(*pair()[0], torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="2.bias is None"):
        ck.load_checkpoint(path, more, AdamW(more.parameters()))


def after_a_save(folder, step, seconds):
    """When so many seconds have passed since a later step than this was there."""
    due = []

    def when():
        if not due and folders.checkpoints(folder)[-1] > folders.step_folder(folder, step):
            due.append(after(seconds))
        return bool(due) and due[0]()

    return when


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_25_kills_during_save_leave_25_loadable(tmp_path):
    """A child does nothing but save; once it does, it is killed at a random moment, 25 times."""
    model, optimizer = pair()
    folder = tmp_path / "saved"
    ck.save_checkpoint(folder, 0, model, optimizer)
    draw, step, inside, loadable = random.Random(0), 0, 0, 0
    for _ in range(25):
        numbers_of_steps = itertools.count(step + 1)

        def save():
            n = next(numbers_of_steps)  # noqa: B023
            ck.save_checkpoint(folder, n, model, optimizer, {"n": n})

        when = after_a_save(folder, step, draw.uniform(0.005, 0.06))
        kill_during(save, tmp_path / "said", when)
        inside += any(folder.glob(".step-*"))
        said = []
        newest = folders.latest_valid(folder, said.append)
        other, fresh = pair(seed=1)
        state = ck.load_checkpoint(newest, other, fresh)
        assert not said and state["step"] == state.get("n", 0) >= step
        loadable += same(numbers(model, optimizer), numbers(other, fresh))
        step = state["step"]
    assert loadable == 25
    assert inside >= 5, "most kills fall inside a save, or the test shows nothing"


CALLS = ("fsync", "rename", "mkdir", "rmdir", "unlink")


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_a_kill_before_any_one_call_of_a_save_leaves_one_loadable(tmp_path):
    """Not by luck: every system call of a save that changes the disk is tried in turn."""
    model, optimizer = pair()
    for kill_at in range(1, 40):
        folder = tmp_path / str(kill_at)
        ck.save_checkpoint(folder, 1, model, optimizer)
        child = os.fork()
        if child == 0:
            count = 0

            def counting(real):
                def call(*args, **more):
                    nonlocal count
                    count += 1
                    if count == kill_at:  # noqa: B023
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(*args, **more)

                return call

            for name in CALLS:
                setattr(os, name, counting(getattr(os, name)))
            ck.save_checkpoint(folder, 2, model, optimizer, keep=1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        newest = folders.latest_valid(folder)
        assert newest is not None and newest.name in ("step-00000001", "step-00000002")
        ck.load_checkpoint(newest, *pair(seed=1))
        ck.save_checkpoint(folder, 3, model, optimizer)  # what was left doesn't stand in the way
        assert not any(folder.glob(".step-*"))
        if os.waitstatus_to_exitcode(status) == 0:
            break
    else:
        pytest.fail("a save makes more calls than were tried")
    assert kill_at > 8, "the calls were counted"


@pytest.mark.parametrize("after", range(4))
def test_a_full_disk_is_named_and_the_old_one_stays(tmp_path, monkeypatch, after):
    model, optimizer = pair()
    old = ck.save_checkpoint(tmp_path, 1, model, optimizer)
    real, written = folders.write, []

    def full(path, content):
        if len(written) == after:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        written.append(path)
        real(path, content)

    monkeypatch.setattr(ck, "write", full)
    with pytest.raises(OSError, match="step-00000002: not saved, the disk is full") as caught:
        ck.save_checkpoint(tmp_path, 2, model, optimizer)
    assert caught.value.errno == 28
    assert folders.latest_valid(tmp_path) == old
    assert not any(tmp_path.glob(".step-*")), "half a checkpoint would keep the disk full"


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_pickled_checkpoint_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, optimizer = pair()
    for name in ("run.pt", "run.safetensors"):
        torch.save({"model": Bomb()}, tmp_path / name)
        with pytest.raises(ValueError, match="is pickled.*weights_only=True.*save_file"):
            ck.load_checkpoint(tmp_path / name, model, optimizer)
    with pytest.raises(ValueError, match="is a file: a checkpoint is a folder"):
        (tmp_path / "x.safetensors").write_bytes(b"{}")
        ck.load_checkpoint(tmp_path / "x.safetensors", model, optimizer)
    # Inside a folder, with a manifest that fits: the first bytes betray it.
    path = ck.save_checkpoint(tmp_path, 1, model, optimizer)
    (path / folders.MODEL).write_bytes(pickle.dumps(Bomb()))
    parts = {n: (path / n).read_bytes() for n in (folders.MODEL, folders.OPTIMIZER, folders.STATE)}
    (path / folders.MANIFEST).write_text(
        json.dumps({"files": {name: folders.describe(part) for name, part in parts.items()}})
    )
    with pytest.raises(ValueError, match="model.safetensors is pickled"):
        ck.load_checkpoint(path, model, optimizer)
    assert not (tmp_path / "exploded").exists()
