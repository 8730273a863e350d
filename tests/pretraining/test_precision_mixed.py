"""One model in each number format: what each way keeps, and what it loses."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.pretraining.precision.mixed import (
    BYTES,
    WAYS,
    Bf16Weights,
    Fp8Linear,
    train_in,
    use_fp8,
)

SMALL = ModelConfig(
    vocab_size=24, d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=24, max_seq=12
)


def fresh() -> Decoder:
    return Decoder(SMALL, torch.Generator().manual_seed(0))


def batch_at(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step % 3)
    tokens = torch.randint(0, 24, (4, 13), generator=generator)
    return tokens[:, :-1], tokens[:, 1:]


def test_every_way_learns_and_stays_near_float32():
    runs = {way: train_in(way, fresh(), batch_at, steps=24, lr=1e-2) for way in WAYS}
    assert set(BYTES) == set(WAYS)
    for way, run in runs.items():
        assert run.losses[0] == pytest.approx(runs["fp32"].losses[0], rel=0.03), way
        assert run.losses[-1] < run.losses[0] - 0.3, way
    assert len({round(run.losses[-1], 6) for run in runs.values()}) >= 6  # each is its own path


def test_float32_is_the_plain_loop():
    config = TrainConfig(
        steps=6,
        batch_size=4,
        lr=1e-2,
        warmup=0.0,
        decay=0.0,
        weight_decay=0.0,
        clip=1e9,
        log_every=1,
    )
    wanted = [log.loss for log in train(fresh(), batch_at, config)]
    got = train_in("fp32", fresh(), batch_at, steps=6, lr=1e-2).losses
    assert got == pytest.approx(wanted, abs=1e-6)


def test_low_rates_are_lost_in_bfloat16_and_only_there():
    """Updates of 1e-5: nearest keeps nearly all weights, and the loss; the others go on."""
    runs = {
        way: train_in(way, fresh(), batch_at, steps=60, lr=1e-5)
        for way in ("fp32", "bf16 weights", "bf16 stochastic", "bf16 Kahan")
    }
    gain = {way: sum(run.losses[:3]) - sum(run.losses[-3:]) for way, run in runs.items()}
    assert runs["bf16 weights"].stuck[-1] > 0.9
    assert gain["bf16 weights"] < 0.5 * gain["fp32"]
    assert gain["bf16 Kahan"] > 0.5 * gain["fp32"] > 0  # what waits in `lost` comes later


def test_write_back_by_hand():
    """1 + 1/512 in bfloat16: nearest stays at 1; Kahan has it after the second time."""
    model = torch.nn.Linear(1, 1, bias=False)
    for write, wanted in (("bf16 weights", 1.0), ("bf16 Kahan", 1.0078125)):
        torch.nn.init.ones_(model.float().weight)
        bf16 = Bf16Weights(model, write)
        optimizer = torch.optim.SGD(bf16.wide, lr=1.0)
        shares = []
        for _ in range(3):
            model.weight.grad = torch.full((1, 1), -1 / 512).bfloat16()
            shares.append(bf16.step(optimizer))
        assert model.weight.item() == wanted
        assert shares[0] == 1.0


def test_float8_takes_every_linear():
    model = fresh()
    use_fp8(model)
    assert sum(isinstance(part, Fp8Linear) for part in model.modules()) == 5
    with pytest.raises(ValueError, match="has a bias"):
        use_fp8(torch.nn.Sequential(torch.nn.Linear(2, 2)))


def test_the_scaler_backs_off_from_a_scale_that_overflows():
    run = train_in("fp16 scaled", fresh(), batch_at, steps=8, lr=1e-2, scale=2.0**30)
    assert run.scales[0] == 2.0**29 and run.scales[-1] < 2.0**26
    assert run.losses[1] == run.losses[0] or run.losses[3] < run.losses[0] + 0.1


def test_another_way_is_refused():
    with pytest.raises(ValueError, match="way='int8': expected one of fp32, bf16"):
        train_in("int8", fresh(), batch_at, steps=1, lr=1e-3)
