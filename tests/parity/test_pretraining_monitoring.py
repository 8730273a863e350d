"""What the monitor measures, against torch's own measures."""

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.monitoring.broken import BrokenConfig, round_to_half
from course_lib.pretraining.monitoring.metrics import mfu, norm, zero_share

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
        stem="pretraining",
        ours="pretraining.metrics.norm",
        reference="torch.nn.utils.clip_grad_norm_",
        error=abs(norm(gradients) / theirs - 1),
        tolerance=1e-6,
        note="norm of all gradients of a decoder, relative",
    )


def test_utilisation_counts_the_flops_that_torch_counts(parity):
    model = Decoder(SHAPE, torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        step(model)
    # a step of 120 tokens a second on a device that can do just its FLOPs in one: all is used
    ours = mfu(SHAPE, 40, tokens_per_second=120, peak=counter.get_total_flops())
    parity(
        stem="pretraining",
        ours="pretraining.metrics.mfu",
        reference="torch.utils.flop_counter.FlopCounterMode",
        error=abs(ours - 1),
        tolerance=0.05,
        note="utilisation of a device that does one step a second; torch's kernel for attention "
        "recomputes the scores in its backward pass",
    )


def test_simulated_fp16_loses_what_fp16_kernels_lose(parity):
    config = BrokenConfig()
    simulated = Decoder(config.model(768), torch.Generator().manual_seed(0))
    real = copy.deepcopy(simulated)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(768, (8, 96), generator=generator)
    targets = torch.randint(768, (8, 96), generator=generator)
    round_to_half(simulated, config.accumulate)
    (cross_entropy(simulated(tokens), targets) / config.accumulate).backward()
    with torch.autocast("cpu", dtype=torch.float16):
        loss = cross_entropy(real(tokens), targets) / config.accumulate
    loss.backward()
    # the two largest losses of the tested matrices lie near 0.1; without rounding all are 0
    pairs = [
        (zero_share(ours.grad), zero_share(theirs.grad))
        for ours, theirs in zip(
            simulated.blocks.parameters(), real.blocks.parameters(), strict=True
        )
        if ours.dim() == 2
    ]
    assert max(theirs for _, theirs in pairs) > 0.05
    parity(
        stem="pretraining",
        ours="pretraining.broken.round_to_half",
        reference="torch.autocast float16",
        error=max(abs(a - b) for a, b in pairs),
        tolerance=0.05,
        note="share of a matrix's gradient that underflows to 0; autocast keeps "
        "other operators in float32 than the simulation does",
    )
