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
