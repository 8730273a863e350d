"""Formats against torch's casts, the loss scaler against torch's, the fast path against ours."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loss import cross_entropy, document_ids
from course_lib.pretraining.precision.formats import (
    BF16,
    E4M3,
    E5M2,
    FP16,
    LossScaler,
    quantized,
    round_to,
)
from course_lib.pretraining.speed.fast import FastConfig, fast_loss_of, gradients


def values(fmt) -> torch.Tensor:
    """Every finite value of the format, midpoints of neighbours and near misses; random bits."""
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(-(2**31), 2**31 - 1, (200_000,), generator=generator, dtype=torch.int64)
    some = bits.int().view(torch.float32)
    some = some[some.isfinite()]
    spread = torch.randn(200_000, generator=generator).double() * 2.0 ** torch.randint(
        fmt.lowest_exponent - fmt.mantissa_bits - 3, 17, (200_000,), generator=generator
    )
    on_grid = round_to(spread.float(), fmt)
    ties = (on_grid.double() * (1 + fmt.epsilon / 2)).float()
    near = torch.nextafter(ties, torch.tensor(torch.inf))
    return torch.cat((some, spread.float(), on_grid, ties, near))


@pytest.mark.parametrize("fmt", [BF16, FP16, E4M3, E5M2], ids=lambda fmt: fmt.name)
def test_rounding_equals_torch(parity, fmt):
    x = values(fmt)
    ours, theirs = round_to(x, fmt), x.to(fmt.dtype).float()
    differ = (ours != theirs) & ~(ours.isnan() & theirs.isnan())
    assert theirs.isfinite().sum() > 300_000 and (theirs != 0).float().mean() > 0.5
    parity(
        stem="pretraining",
        ours="pretraining.precision.round_to",
        tolerance=0.0,
        reference=f"torch {fmt.dtype} cast",
        error=int(differ.sum()),
        note=f"{fmt.name}: values that differ, of {len(x):,}, with ties and subnormals",
    )


def test_scaled_fp8_equals_torch(parity):
    torch.manual_seed(0)
    x = torch.randn(300, 300) * 1e-4
    values_, scale = quantized(x, E4M3)
    theirs = (x * (torch.finfo(torch.float8_e4m3fn).max / x.abs().amax())).to(torch.float8_e4m3fn)
    parity(
        stem="pretraining",
        ours="pretraining.precision.quantized",
        tolerance=0.0,
        reference="torch float8_e4m3fn cast of the scaled tensor",
        error=(values_ - theirs.float()).abs().max(),
        note="per-tensor scale",
    )
    assert values_.unique().numel() > 200


def test_loss_scaler_equals_torch(parity):
    """120 steps of a float16 gradient that overflows now and then."""

    def run(torchs: bool) -> list[float]:
        generator = torch.Generator().manual_seed(0)
        weight = torch.nn.Parameter(torch.ones(20))
        optimizer = torch.optim.AdamW([weight], lr=0.01)
        ours = LossScaler(2.0**14, interval=7)
        theirs = torch.amp.GradScaler("cpu", init_scale=2.0**14, growth_interval=7)
        trace = []
        for _ in range(120):
            x = torch.randn(20, generator=generator)
            loss = (weight * x).square().sum()
            optimizer.zero_grad()
            (theirs.scale(loss) if torchs else ours.scaled(loss)).backward()
            weight.grad = weight.grad.half().float()  # overflows to inf where it is large
            if torchs:
                theirs.step(optimizer)
                theirs.update()
            else:
                ours.step(optimizer)
            trace += [theirs.get_scale() if torchs else ours.scale, *weight.tolist()]
        return trace

    ours, theirs = torch.tensor(run(False)), torch.tensor(run(True))
    scales = theirs[::21]
    assert (scales[1:] < scales[:-1]).sum() >= 3 and (scales[1:] > scales[:-1]).sum() >= 3
    parity(
        stem="pretraining",
        ours="pretraining.precision.LossScaler",
        tolerance=0.0,
        reference="torch.amp.GradScaler",
        error=(ours - theirs).abs().max(),
        note="scale and weights over 120 steps of AdamW, overflows and growth among them",
    )


@pytest.mark.parametrize("mlp", ["swiglu", "relu2"])
def test_fast_path_equals_plain_path(parity, mlp):
    config = ModelConfig(
        vocab_size=96,
        d_model=64,
        n_layers=2,
        d_ff=128,
        max_seq=48,
        mlp=mlp,
        qk_norm=mlp == "relu2",
        tied=mlp == "swiglu",
    )
    plain, fast = (Decoder(config, torch.Generator().manual_seed(0)) for _ in "ab")
    tokens = torch.randint(0, 96, (6, 49), generator=torch.Generator().manual_seed(1))
    inputs, targets = tokens[:, :-1], tokens[:, 1:].clone()
    targets[0, :20] = -100
    documents = document_ids(inputs, 5)
    arrangement = FastConfig(compile=False, micro_tokens=96, query_blocks=3, head_rows=40)
    loss = cross_entropy(plain(inputs, documents=documents), targets)
    loss.backward()
    got = gradients(fast_loss_of(fast, arrangement), arrangement, inputs, targets, documents)
    pairs = zip(plain.parameters(), fast.parameters(), strict=True)
    apart = max(((q.grad - p.grad).abs().max() / p.grad.abs().max()).item() for p, q in pairs)
    for what, error in (("loss, nats", (got - loss).abs().item()), ("gradients, relative", apart)):
        parity(
            stem="pretraining",
            ours="pretraining.fast.gradients",
            tolerance=2e-5,
            error=error,
            reference="the course's plain path",
            note=f"{what}; {mlp}, packed documents, fp32",
        )
