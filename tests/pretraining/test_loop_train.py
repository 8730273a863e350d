"""The loop: right loss, exact resume, clear errors, and it learns."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loop.train import Hooks, TrainConfig, train
from course_lib.pretraining.loss import cross_entropy, document_ids

VOCAB = 11


def tiny(seed: int = 0) -> Decoder:
    config = ModelConfig(
        vocab_size=VOCAB, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=32, max_seq=16
    )
    return Decoder(config, generator=torch.Generator().manual_seed(seed))


def counting(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that count upwards modulo the vocabulary: the next token is certain."""
    start = torch.arange(step, step + 8)[:, None]
    row = (start + torch.arange(9)) % VOCAB
    return row[:, :-1], row[:, 1:]


def weights(model: Decoder) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_cross_entropy_by_hand():
    # softmax([0, 0, ln 2]) = [1/4, 1/4, 1/2]; the second target is left out
    logits = torch.tensor([[[0.0, 0.0, math.log(2)], [9.0, 0.0, 0.0]]])
    loss = cross_entropy(logits, torch.tensor([[2, -100]]))
    assert loss.item() == pytest.approx(math.log(2))


@given(st.integers(0, 2**31), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_cross_entropy_ignores_a_shift_of_all_logits(seed, shift):
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(seed)).double()
    targets = torch.tensor([[1, 2, -100], [0, 6, 3]])
    moved = cross_entropy(logits + shift, targets)
    assert moved.item() == pytest.approx(cross_entropy(logits, targets).item(), rel=1e-4)


def test_cross_entropy_of_nothing_is_refused():
    with pytest.raises(ValueError, match="all are -100"):
        cross_entropy(torch.zeros(1, 2, 3), torch.full((1, 2), -100))


def test_loss_begins_near_uniform_and_the_rule_is_learned():
    config = TrainConfig(steps=150, batch_size=8, lr=1e-2, log_every=10)
    logs = train(tiny(), counting, config)
    assert logs[0].loss == pytest.approx(math.log(VOCAB) + 0.5, abs=0.5)
    assert logs[-1].loss < 0.05
    assert logs[-1].tokens == 150 * 8 * 8
    assert logs[0].lr < logs[3].lr and logs[-1].lr < logs[3].lr


def test_resume_is_bit_exact(tmp_path):
    config = TrainConfig(steps=12, batch_size=8, lr=1e-2, save_every=5)
    whole = tiny()
    train(whole, counting, config)
    cut = tiny()

    def stop_at(step: int):
        if step == 8:
            raise KeyboardInterrupt
        return counting(step)

    with pytest.raises(KeyboardInterrupt):
        train(cut, stop_at, config, checkpoint=tmp_path / "saved")
    resumed = tiny(seed=99)  # everything comes from the checkpoint
    seen = []

    def watch(step: int):
        seen.append(step)
        return counting(step)

    train(resumed, watch, config, checkpoint=tmp_path / "saved")
    assert seen == [5, 6, 7, 8, 9, 10, 11]
    assert torch.equal(weights(resumed), weights(whole))


def test_damaged_or_foreign_checkpoint_is_named(tmp_path, capsys):
    config = TrainConfig(steps=2, batch_size=8, lr=1e-2, save_every=1)
    train(tiny(), counting, config, checkpoint=tmp_path)
    other = ModelConfig(
        vocab_size=VOCAB, d_model=32, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=32, max_seq=16
    )
    with pytest.raises(ValueError, match=r"step-00000002: .* is \(.*\), the model's is \(.*32"):
        train(Decoder(other), counting, config, checkpoint=tmp_path)
    weights_file = tmp_path / "step-00000002" / "model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:100])
    seen = []
    train(tiny(), lambda step: seen.append(step) or counting(step), config, checkpoint=tmp_path)
    assert seen == [1], "the damaged one was left out, the one before it taken"
    assert "skipped" in capsys.readouterr().err


def test_hooks_may_refuse_an_update_and_end_the_run():
    class Picky(Hooks):
        def allow(self, step, model, loss, norm):
            return step != 2

        def end(self, step, model, optimizer, last):
            self.path.append(weights(model))
            return step == 3

    hooks, config = Picky(), TrainConfig(steps=9, batch_size=8, lr=1e-2, log_every=1)
    hooks.path = []
    logs = train(tiny(), counting, config, hooks=hooks)
    assert [log.step for log in logs] == [1, 2, 3]
    one, two, three = hooks.path
    assert torch.equal(one, two) and not torch.equal(two, three)


def test_hooks_and_a_checkpoint_folder_are_refused_together(tmp_path):
    config = TrainConfig(steps=2, batch_size=8, lr=1e-2)
    with pytest.raises(ValueError, match="checkpoint=.* and hooks=Hooks: expected one of them"):
        train(tiny(), counting, config, checkpoint=tmp_path, hooks=Hooks())
    assert train(tiny(), counting, config, until=0) == [], "no step is none, not all"


def test_documents_do_not_see_each_other():
    model = tiny().eval()
    eos = 0
    row = torch.tensor([[0, 3, 4, 0, 5, 6]])
    other = torch.tensor([[0, 9, 8, 0, 5, 6]])
    assert document_ids(row, eos).tolist() == [[1, 1, 1, 2, 2, 2]]
    with torch.no_grad():
        one = model(row, documents=document_ids(row, eos))
        two = model(other, documents=document_ids(other, eos))
    torch.testing.assert_close(one[:, 3:], two[:, 3:])
    assert not torch.allclose(one[:, 1:3], two[:, 1:3])


def test_diverged_loss_names_its_step():
    def broken(logits, targets):
        return cross_entropy(logits, targets) * float("nan")

    config = TrainConfig(steps=3, batch_size=8, lr=1e-2)
    with pytest.raises(ValueError, match="loss = nan .* at step 1, before its update"):
        train(tiny(), counting, config, loss_fn=broken)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"lr": -1.0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"clip": 0.0},
        {"clip": float("nan")},
    ],
)
def test_config_refuses_nonsense(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        TrainConfig(**{"steps": 1, "batch_size": 1, "lr": 1e-3, **bad})
