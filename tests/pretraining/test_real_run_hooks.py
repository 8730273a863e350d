"""The order in which a run's hooks may be called."""

import pytest
import torch

from course_lib.architecture.config import ModelConfig
from course_lib.data.mixing.shards import write_shards
from course_lib.pretraining.loop.train import TrainConfig
from course_lib.pretraining.real_run.config import Exit, RunConfig
from course_lib.pretraining.real_run.folder import RunLog
from course_lib.pretraining.real_run.hooks import Run
from course_lib.pretraining.real_run.ranks import Ranks
from course_lib.pretraining.real_run.signals import StopRequest
from course_lib.pretraining.real_run.supervise import feed_of


@pytest.fixture
def around(tmp_path) -> Run:
    write_shards([[1, 2, 3, 4, 5]] * 9, tmp_path / "tokens", 8, 0)
    config = RunConfig(
        out=tmp_path,
        tokens=tmp_path / "tokens",
        model=ModelConfig(vocab_size=8),
        train=TrainConfig(steps=3, batch_size=2, lr=1e-3, save_every=9),
        seq_len=8,
    )
    log = RunLog(config.log)
    return Run(config, Ranks(), log, feed_of(config, Ranks()), StopRequest())


def test_a_step_is_open_from_its_batch_to_its_end(around):
    logits, model = torch.zeros(2, 8, 8), torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters())
    with pytest.raises(AssertionError, match="no step is open"):
        around.loss(logits, torch.zeros(2, 8, dtype=torch.long))
    with pytest.raises(AssertionError, match="no step is open"):
        around.end(1, model, optimizer, last=False)
    _, targets = around.batch_at(0)
    assert around.step.tokens == int((targets >= 0).sum()) and around.step.share == 1.0
    around.loss(logits, targets)
    with pytest.raises(AssertionError, match="still open"):
        around.batch_at(1)
    assert not around.end(1, model, optimizer, last=False)
    around.batch_at(1)
    assert around.close() == Exit.DONE


def test_a_request_to_stop_ends_the_run_after_its_step(around):
    around.asked.number = 15
    around.batch_at(0)
    assert around.step.stop


def test_validation_shards_of_another_vocabulary_are_refused(tmp_path):
    from course_lib.architecture.config import ModelConfig
    from course_lib.data.mixing.shards import write_shards
    from course_lib.pretraining.loop.train import TrainConfig
    from course_lib.pretraining.real_run.config import RunConfig
    from course_lib.pretraining.real_run.hooks import held_out

    write_shards([[1, 2, 3]] * 30, tmp_path / "own", 20, 0)
    write_shards([[1, 2, 3]] * 30, tmp_path / "other", 21, 0)
    sizes = dict(d_model=8, n_layers=1, n_heads=1, n_kv_heads=1, d_ff=8, max_seq=16)

    def run(validation):
        return RunConfig(
            out=tmp_path,
            tokens=tmp_path / "own",
            model=ModelConfig(vocab_size=20, **sizes),
            train=TrainConfig(steps=1, batch_size=1, lr=1e-3),
            seq_len=8,
            validation=validation,
        )

    assert held_out(run(None)) is None
    assert held_out(run(tmp_path / "own")).inputs.shape[1] == 8
    with pytest.raises(ValueError, match="vocabulary of 21, expected 20"):
        held_out(run(tmp_path / "other"))


def test_a_run_that_does_not_fit_is_refused_before_its_first_step(monkeypatch):
    from course_lib import profile
    from course_lib.pretraining.real_run import room

    monkeypatch.setattr(room, "bytes_free", lambda device: 24e9)
    gpu, cpu = profile.named("gpu"), profile.named("cpu")
    assert room.fault_of_room(cpu.model, cpu.seq_len, cpu.pretrain_batch_size, "cpu") is None
    fault = room.fault_of_room(gpu.model, gpu.seq_len, gpu.pretrain_batch_size, "cpu")
    assert fault.startswith("a step needs about") and "and 24.0 GB are there" in fault


def test_every_event_of_a_run_is_a_line():
    from course_lib.pretraining.real_run.folder import LINES, line_of

    fields = dict(step=3, loss=2.5, lr=1e-3, tokens=1000, grad_norm=None, seconds=1.5, ranks=1)
    fields |= dict(saved_by=2, what="skipped x", name="step-3", signal=15)
    for event in LINES:
        assert "None" not in line_of(event, **fields | {"grad_norm": 1.0})
    assert line_of("step", **fields).startswith("step 3: loss 2.5000, rate 1.00e-03")
    assert line_of("new", a=1) == "new: a 1"
