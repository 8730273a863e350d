"""One run by four loops: ours, transformers.Trainer, Accelerate and Lightning."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.libraries.loops import accelerate_losses, lightning_losses
from course_lib.pretraining.libraries.trainer import trainer_losses
from course_lib.pretraining.loop.train import TrainConfig, train

STEPS = 8
CONFIG = TrainConfig(steps=40, batch_size=4, lr=5e-3, log_every=1)
LOOPS = {
    "transformers Trainer": trainer_losses,
    "accelerate Accelerator": accelerate_losses,
    "lightning Trainer": lightning_losses,
}


def fresh() -> Decoder:
    shape = ModelConfig(vocab_size=23, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=32)
    return Decoder(shape, generator=torch.Generator().manual_seed(0))


def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that count, with an end of document (0) now and then and some targets left out."""
    row = (torch.arange(step, step + 4)[:, None] * 3 + torch.arange(17)) % 23
    targets = row[:, 1:].clone()
    targets[0, -5:] = -100
    return row[:, :-1], targets


@pytest.mark.parametrize("name", LOOPS)
def test_the_same_losses(parity, name):
    ours = [log.loss for log in train(fresh(), batches, CONFIG, eos_id=0, until=STEPS)]
    theirs = LOOPS[name](fresh(), batches, CONFIG, eos_id=0, steps=STEPS)
    assert len(theirs) == STEPS and ours[0] - ours[-1] > 0.2, "the run learns"
    parity(
        stem="pretraining",
        ours="pretraining.train.train",
        reference=name,
        error=max(abs(a - b) for a, b in zip(ours, theirs, strict=True)),
        tolerance=5e-5,
        note=f"loss of {STEPS} steps with documents, clipping and warm-up, fp32",
    )
