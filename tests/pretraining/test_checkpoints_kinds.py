"""What outsiders lost or were refused: valid files, their own folders, buffers, and bad numbers."""

import json
import os
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.checkpoints import checkpoint as ck
from course_lib.pretraining.checkpoints import folders
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.optimizers.adamw import AdamW


def batch_at(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = torch.randint(0, 300, (2, 8), generator=torch.Generator().manual_seed(step))
    return inputs, inputs.roll(-1, 1)


def linear() -> tuple[torch.nn.Module, AdamW]:
    model = torch.nn.Linear(2, 2)
    return model, AdamW(model.parameters())


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path):
    """This size's header is 1,408 bytes long, 0x0580: the file begins as a pickle of protocol 5."""
    config = ModelConfig(
        vocab_size=300, d_model=16, n_layers=2, n_heads=2, n_kv_heads=2, d_ff=344, max_seq=8
    )
    plan = TrainConfig(steps=4, batch_size=2, lr=1e-3)

    def run(folder, until):
        model = Decoder(config, generator=torch.Generator().manual_seed(0))
        train(model, batch_at, plan, checkpoint=folder, until=until)
        return model

    run(tmp_path, 2)
    resumed, whole = run(tmp_path, None), run(None, None)
    assert all(map(torch.equal, resumed.parameters(), whole.parameters()))


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x80\x05"])
def test_any_length_of_header_is_a_safetensors_file_and_a_pickle_is_none(tmp_path, start):
    path = tmp_path / "weights"
    path.write_bytes(start.ljust(8, b"\0") + b'{"a":')
    ck.refuse_pickle(path)
    path.write_bytes(start.ljust(8, b"\0") + b"\x08\0")
    with pytest.raises(ValueError, match="is pickled"):
        ck.refuse_pickle(path)


@given(size=st.integers(1, 2000))
def test_no_safetensors_file_is_taken_for_a_pickle(tmp_path_factory, size):
    path = tmp_path_factory.mktemp("files") / "model.safetensors"
    path.write_bytes(save({"n" * size: torch.zeros(1)}))
    assert struct.unpack("<Q", path.read_bytes()[:8])[0] >= size
    ck.refuse_pickle(path)


def test_a_users_own_folders_stay(tmp_path):
    model, optimizer = linear()
    mine = ["step-by-step-notes", "step-00000001", "step-7", ".step-notes", ".step-3.partial"]
    for name in mine:
        (tmp_path / name).mkdir()
        (tmp_path / name / "thoughts.txt").write_text("keep me")
    for step in (10, 20, 30, 40):
        ck.save_checkpoint(tmp_path, step, model, optimizer, keep=2)
    assert all((tmp_path / name / "thoughts.txt").exists() for name in mine)
    # A note put into a checkpoint's folder makes it the user's too.
    (tmp_path / "step-00000030" / "best so far.txt").write_text("!")
    for step in (50, 60, 70):
        ck.save_checkpoint(tmp_path, step, model, optimizer, keep=2)
    assert (tmp_path / "step-00000030" / "best so far.txt").exists()
    assert not (tmp_path / "step-00000040").exists()


def test_a_folder_in_the_way_is_set_aside(tmp_path):
    model, optimizer = linear()
    taken = tmp_path / "step-00000010"
    taken.mkdir()
    (taken / "thoughts.txt").write_text("keep me")
    path = ck.save_checkpoint(tmp_path, 10, model, optimizer)
    folders.verify_checkpoint(path)
    assert (tmp_path / "step-00000010.aside-1" / "thoughts.txt").read_text() == "keep me"


def test_order_is_that_of_the_numbers(tmp_path):
    model, optimizer = linear()
    for step in (99_999_998, 99_999_999, 100_000_000):
        ck.save_checkpoint(tmp_path, step, model, optimizer, keep=2)
    left = [path.name for path in folders.checkpoints(tmp_path)]
    assert left == ["step-99999999", "step-100000000"]
    assert folders.latest_valid(tmp_path).name == "step-100000000"


def test_the_step_is_not_the_states_to_say(tmp_path):
    with pytest.raises(ValueError, match=r"state\['step'\]=7: the step is kept already, as 10"):
        ck.save_checkpoint(tmp_path, 10, *linear(), {"step": 7})
    with pytest.raises(ValueError, match="step=-1"):
        ck.save_checkpoint(tmp_path, -1, *linear())
    assert not list(tmp_path.iterdir())


def test_buffers_come_back(tmp_path):
    def normed():
        model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
        return model, AdamW(model.parameters())

    model, optimizer = normed()
    model(torch.randn(16, 3, generator=torch.Generator().manual_seed(0)) + 5)
    path = ck.save_checkpoint(tmp_path, 1, model, optimizer)
    other, fresh = normed()
    ck.load_checkpoint(path, other, fresh)
    assert other[1].num_batches_tracked.item() == 1
    assert torch.equal(other[1].running_mean, model[1].running_mean)
    assert all(map(torch.equal, other.state_dict().values(), model.state_dict().values()))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_weights_and_moments_are_never_saved(tmp_path, bad):
    model, optimizer = linear()
    good = ck.save_checkpoint(tmp_path, 1, model, optimizer)
    with torch.no_grad():
        model.bias[0] = bad
    with pytest.raises(ValueError, match="step-00000002: not saved, bias isn't finite"):
        ck.save_checkpoint(tmp_path, 2, model, optimizer)
    model, optimizer = linear()
    optimizer.state[model.weight]["exp_avg"] = torch.full((2, 2), bad)
    with pytest.raises(ValueError, match="exp_avg/weight isn't finite"):
        ck.save_checkpoint(tmp_path, 2, model, optimizer)
    assert folders.checkpoints(tmp_path) == [good]


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_bad_number_is_found_at_its_own_step_and_the_run_can_go_on(tmp_path, where):
    config = ModelConfig(
        vocab_size=300, d_model=8, n_layers=1, n_heads=1, n_kv_heads=1, d_ff=8, max_seq=8
    )
    plan = TrainConfig(steps=20, batch_size=2, lr=1e-3, log_every=20, save_every=5)
    calls = []

    class BadGradient(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * float("nan")

    def loss_fn(logits, targets):
        calls.append(1)
        loss = cross_entropy(logits, targets)
        if len(calls) != 7:
            return loss
        return loss * float("nan") if where == "loss" else BadGradient.apply(loss)

    def run(loss_fn):
        model = Decoder(config, generator=torch.Generator().manual_seed(0))
        return train(model, batch_at, plan, checkpoint=tmp_path, loss_fn=loss_fn)

    with pytest.raises(ValueError, match="at step 7, before its update"):
        run(loss_fn)
    assert [path.name for path in folders.checkpoints(tmp_path)] == ["step-00000005"]
    assert run(cross_entropy)[-1].step == 20


def test_a_run_with_fewer_steps_than_were_saved_says_so(tmp_path):
    config = ModelConfig(
        vocab_size=300, d_model=8, n_layers=1, n_heads=1, n_kv_heads=1, d_ff=8, max_seq=8
    )

    def run(steps):
        model = Decoder(config, generator=torch.Generator().manual_seed(0))
        plan = TrainConfig(steps=steps, batch_size=2, lr=1e-3)
        return train(model, batch_at, plan, checkpoint=tmp_path)

    run(4)
    with pytest.raises(ValueError, match="2 steps: 4 are done already"):
        run(2)
    assert run(4) == []  # nothing left to do is no error


def test_a_manifest_alone_makes_no_folder_ours(tmp_path):
    model, optimizer = linear()
    other = tmp_path / "step-00000001"
    other.mkdir()
    (other / folders.MANIFEST).write_text(json.dumps({"name": "a web app"}))
    (other / "index.html").write_text("<p>mine</p>")
    os.symlink(other, tmp_path / "step-00000002")
    for step in (10, 20, 30):
        ck.save_checkpoint(tmp_path, step, model, optimizer, keep=1)
    assert (other / "index.html").exists() and (tmp_path / "step-00000002").is_symlink()
