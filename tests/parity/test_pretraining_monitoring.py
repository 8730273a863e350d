"""What the monitor measures, against torch's own measures."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.architecture.model import Decoder, ModelConfig
from course_lib.pretraining.metrics import mfu, norm
from course_lib.pretraining.train import cross_entropy

SHAPE = ModelConfig(vocab_size=97, d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=80)


def step(model: Decoder, rows: int = 3, seq: int = 40) -> None:
    tokens = torch.randint(97, (rows, seq), generator=torch.Generator().manual_seed(1))
    cross_entropy(model(tokens), tokens.roll(1, 1)).backward()


def test_norm_is_that_of_torchs_clipping(parity):
    model = Decoder(SHAPE, torch.Generator().manual_seed(0))
    step(model)
    gradients = [w.grad.clone() for w in model.parameters()]
    theirs = float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9))
    assert theirs > 0.1
    parity(
        stem="pretraining", ours="pretraining.metrics.norm",
        reference="torch.nn.utils.clip_grad_norm_", error=abs(norm(gradients) / theirs - 1),
        tolerance=1e-6, note="norm of all gradients of a decoder, relative",
    )  # fmt: skip


def test_utilisation_counts_the_flops_that_torch_counts(parity):
    model = Decoder(SHAPE, torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        step(model)
    # a step of 120 tokens a second on a device that can do just its FLOPs in one: all is used
    ours = mfu(SHAPE, 40, tokens_per_second=120, peak=counter.get_total_flops())
    parity(
        stem="pretraining", ours="pretraining.metrics.mfu",
        reference="torch.utils.flop_counter.FlopCounterMode", error=abs(ours - 1), tolerance=0.05,
        note="utilisation of a device that does one step a second; torch's kernel for attention "
        "recomputes the scores in its backward pass",
    )  # fmt: skip
