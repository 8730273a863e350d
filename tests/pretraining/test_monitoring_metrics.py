"""The measures by hand, and a watch that agrees with a step worked out apart from it."""

import pytest
import torch
from torch import nn

from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.monitoring.metrics import (
    Throughput,
    Watch,
    matmul_rate,
    memory_mb,
    mfu,
    norm,
    rms,
    update_ratio,
    zero_share,
)

CPU = torch.device("cpu")


def test_measures_by_hand():
    assert norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])]) == pytest.approx(5)
    assert rms(torch.tensor([1.0, -7.0])) == pytest.approx(5)
    assert zero_share(torch.tensor([0.0, 1.0, 0.0, -2.0])) == 0.5
    before, after = [torch.tensor([3.0, 4.0])], [torch.tensor([3.0, 3.5])]
    assert update_ratio(before, after) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="all 0 before the step"):
        update_ratio([torch.zeros(2)], [torch.ones(2)])


def test_mfu_by_hand():
    config = ModelConfig(vocab_size=10, d_model=4, n_layers=1, n_heads=1, n_kv_heads=1, d_ff=8)
    # attention 4 * 16, mlp 3 * 32, head 40: 200 weights; scores and mix 4 * 5 * 4 = 80
    flops_a_token = 3 * (2 * 200 + 80)
    assert mfu(config, 5, tokens_per_second=100, peak=flops_a_token * 400) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="peak=0"):
        mfu(config, 5, 100, 0)


def test_throughput_by_a_clock_of_our_own():
    now = iter([0.0, 2.0, 6.0])
    meter = Throughput(CPU, clock=lambda: next(now))
    meter.add(300)
    meter.add(100)
    assert meter.rate() == pytest.approx(200)
    meter.add(100)
    assert meter.rate() == pytest.approx(25)
    with pytest.raises(ValueError, match="tokens=-1"):
        meter.add(-1)


def test_rates_and_memory_are_positive():
    assert matmul_rate(CPU, 64, 0.01) > 1e6
    assert memory_mb(CPU) > 10


def test_watch_of_one_step_by_hand():
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[3.0, 4.0]])
    watch, x = Watch(model), torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    model(x).sum().backward()  # output 3 and 6, gradient [3, 0]
    with torch.no_grad():
        model.weight -= 0.1 * model.weight.grad
    found = watch.measure()
    assert found["grad_norm"] == found["model/grad_norm"] == pytest.approx(3)
    assert found["update_ratio"] == pytest.approx(0.3 / 5)
    assert found["model/grad_zeros"] == 0.5
    assert found["model/output_rms"] == pytest.approx((45 / 2) ** 0.5)
    assert found["model/output_grad_rms"] == pytest.approx(1)
    assert found["weight_norm"] == pytest.approx((2.7**2 + 16) ** 0.5)
    watch.close()
    model(x)
    assert not model._forward_hooks and not model._forward_pre_hooks


def test_watch_goes_with_the_course_loop_and_changes_nothing():
    def run(watched: bool):
        shape = ModelConfig(vocab_size=9, d_model=8, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=16)
        model = Decoder(shape, generator=torch.Generator().manual_seed(0))
        watch, rows = Watch(model) if watched else None, []
        row = torch.arange(8).expand(2, 8)
        config = TrainConfig(steps=5, batch_size=2, lr=1e-2, log_every=1)
        logs = train(
            model,
            lambda step: (row, row + 1),
            config,
            on_log=lambda log: rows.append(watch.measure()) if watch else None,
            loss_fn=cross_entropy,
        )
        return [log.loss for log in logs], [log.grad_norm for log in logs], rows

    losses, norms, rows = run(True)
    assert losses == run(False)[0]
    assert len(rows) == 5 and "blocks.1.mlp.down/update_ratio" in rows[0]
    for before_clipping, row in zip(norms, rows, strict=True):
        assert row["grad_norm"] == pytest.approx(min(before_clipping, 1), rel=1e-3)
        assert 0 < row["update_ratio"] < 0.2


def test_watch_sees_a_dead_layer():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    nn.init.constant_(model[0].bias, -100.0)
    watch = Watch(model)
    model(torch.randn(4, 3)).sum().backward()
    found = watch.measure()
    assert found["0/grad_norm"] == 0 and found["0/grad_zeros"] == 1
    assert found["2/grad_norm"] > 0


def test_watch_refuses_what_it_cannot_see():
    with pytest.raises(ValueError, match="ReLU has no weights"):
        Watch(nn.ReLU())
    with pytest.raises(ValueError, match="no training step was seen"):
        Watch(nn.Linear(1, 1)).measure()
