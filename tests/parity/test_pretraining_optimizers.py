"""The optimizers against their libraries: the weights after every step of the same 100."""

from collections.abc import Callable

import bitsandbytes
import lion_pytorch
import pytest
import schedulefree
import torch
from bitsandbytes.backends.cpu import ops as cpu_kernels
from bitsandbytes.functional import create_dynamic_map

from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.pretraining.optimizers.classic import SGD, Adafactor, Adam, Lion
from course_lib.pretraining.optimizers.eight_bit import (
    AdamW8bit,
    dequantize,
    dynamic_code,
    quantize,
)
from course_lib.pretraining.optimizers.muon import Muon, newton_schulz
from course_lib.pretraining.optimizers.schedule_free import ScheduleFreeAdamW

STEPS = 100


def path(
    make: Callable, dtype: torch.dtype = torch.float64, width: int = 24, matrices: bool = False
) -> torch.Tensor:
    """The weights of a small regression after each step, [step, weight]."""
    torch.manual_seed(0)
    shapes = [(width, 12), (width,), (3, width)]
    weights = [
        torch.nn.Parameter(torch.randn(s, dtype=dtype) / s[-1] ** 0.5)
        for s in shapes
        if len(s) == 2 or not matrices
    ]
    optimizer, generator = make(weights), torch.Generator().manual_seed(1)
    if isinstance(optimizer, schedulefree.AdamWScheduleFree):
        optimizer.train()
    places = []
    for _ in range(STEPS):
        x = torch.randn(16, 12, generator=generator, dtype=torch.float64).to(dtype)
        gains = 1 if matrices else weights[1]
        hidden = (x @ weights[0].T * gains).tanh()
        optimizer.zero_grad()
        (hidden @ weights[-1].T - x[:, :3].sin()).square().mean().backward()
        optimizer.step()
        places.append(torch.cat([w.detach().flatten() for w in weights]))
    return torch.stack(places)


CASES = [
    (
        "optim.AdamW",
        "torch AdamW",
        AdamW,
        torch.optim.AdamW,
        dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1),
    ),
    (
        "optimizers.SGD",
        "torch SGD",
        SGD,
        torch.optim.SGD,
        dict(lr=0.05, momentum=0.9, weight_decay=0.01),
    ),
    ("optimizers.SGD", "torch SGD", SGD, torch.optim.SGD, dict(lr=0.05, momentum=0.0)),
    (
        "optimizers.Adam",
        "torch Adam",
        Adam,
        torch.optim.Adam,
        dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1),
    ),
    (
        "optimizers.Lion",
        "lion-pytorch Lion",
        Lion,
        lion_pytorch.Lion,
        dict(lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1),
    ),
    (
        "schedule_free.ScheduleFreeAdamW",
        "schedulefree AdamWScheduleFree",
        ScheduleFreeAdamW,
        schedulefree.AdamWScheduleFree,
        dict(lr=3e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1, warmup_steps=10),
    ),
]


@pytest.mark.parametrize(("ours", "reference", "make", "library", "settings"), CASES)
def test_path(parity, ours, reference, make, library, settings):
    mine = path(lambda weights: make(weights, **settings))
    theirs = path(lambda weights: library(weights, **settings))
    assert (theirs[-1] - theirs[0]).abs().max() > 0.02, "the weights moved"
    shown = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "eps")
    parity(
        stem="pretraining",
        ours=f"pretraining.{ours}",
        reference=reference,
        tolerance=1e-12,
        error=(mine - theirs).abs().max().item(),
        note=f"weights over {STEPS} steps, float64, {shown}",
    )


def test_adamw_in_float32(parity):
    settings = dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    pair = [
        path(lambda w, make=make: make(w, **settings), torch.float32)
        for make in (AdamW, torch.optim.AdamW)
    ]
    parity(
        stem="pretraining",
        ours="pretraining.optimizers.adamw.AdamW",
        reference="torch AdamW",
        error=(pair[0] - pair[1]).abs().max().item(),
        tolerance=1e-6,
        note=f"weights over {STEPS} steps, float32",
    )


def test_adafactor(parity):
    mine = path(lambda weights: Adafactor(weights, lr=0.03, weight_decay=0.1))
    theirs = path(lambda weights: torch.optim.Adafactor(weights, lr=0.03, weight_decay=0.1))
    assert (theirs[-1] - theirs[0]).abs().max() > 0.02
    parity(
        stem="pretraining",
        ours="pretraining.optimizers.Adafactor",
        reference="torch Adafactor",
        error=(mine - theirs).abs().max().item(),
        tolerance=1e-12,
        note=f"weights over {STEPS} steps, matrices and a vector, float64",
    )


def test_muon(parity):
    make = dict(lr=0.02, weight_decay=0.1)
    mine = path(lambda weights: Muon(weights, **make), torch.float32, matrices=True)
    theirs = path(lambda weights: torch.optim.Muon(weights, **make), torch.float32, matrices=True)
    assert (theirs[-1] - theirs[0]).abs().max() > 0.1
    parity(
        stem="pretraining",
        ours="pretraining.muon.Muon",
        reference="torch Muon",
        error=(mine - theirs).abs().max().item(),
        tolerance=1e-6,
        note=f"weights over {STEPS} steps, a tall and a wide matrix, Newton-Schulz in bfloat16",
    )


def test_newton_schulz(parity):
    """Five rounds change the singular values alone, each by the polynomial, to nearly 1."""
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    values = s / s.norm()
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    wanted = u @ values.diag() @ v
    parity(
        stem="pretraining",
        ours="pretraining.muon.newton_schulz",
        reference="torch.linalg.svd",
        error=(newton_schulz(matrix, dtype=torch.float64) - wanted).abs().max().item(),
        tolerance=1e-10,
        note="the polynomial on singular values, float64",
    )
    assert (values - 1).abs().max() < 0.4


@pytest.mark.parametrize("signed", [True, False])
def test_eight_bit_code(parity, signed):
    error = (dynamic_code(signed) - create_dynamic_map(signed)).abs().max().item()
    parity(
        stem="pretraining",
        ours="pretraining.eight_bit.dynamic_code",
        error=error,
        tolerance=1e-7,
        reference="bitsandbytes create_dynamic_map",
        note="signed" if signed else "unsigned",
    )


def nearest(x: torch.Tensor, code: torch.Tensor, block: int) -> tuple[torch.Tensor, torch.Tensor]:
    """bitsandbytes' quantize_blockwise by its generic kernel, which takes the nearest value.

    Its compiled CPU kernel (0.50.2) sends numbers below 2e-5 of a block's largest to +-2.1e-5,
    though the code has nearer values; float64 input takes the generic one.
    """
    return torch.ops.bitsandbytes.quantize_blockwise(x.double(), code, block)


@pytest.mark.parametrize("signed", [True, False])
def test_eight_bit_blocks(parity, signed):
    x = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0)) ** 3
    x = x if signed else x.abs()
    code = create_dynamic_map(signed)
    codes, scales = nearest(x, code, 256)
    theirs = code[codes.long()].flatten() * scales.repeat_interleave(256)[:3000]
    parity(
        stem="pretraining",
        ours="pretraining.eight_bit.quantize",
        tolerance=1e-6,
        reference="bitsandbytes quantize_blockwise (generic kernel)",
        note=f"3,000 numbers there and back, {'signed' if signed else 'unsigned'}",
        error=(dequantize(*quantize(x, signed), signed).flatten() - theirs).abs().max().item(),
    )


def test_eight_bit_adamw(parity, monkeypatch):
    def run(make, **more):
        settings = dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1) | more
        return path(lambda weights: make(weights, **settings), torch.float32, width=350)

    def quantize_in_place(x, code, scales_out, codes_out, block):
        codes, scales = nearest(x, code, block)
        codes_out.copy_(codes)
        scales_out.copy_(scales)

    mine, full = run(AdamW8bit, positive=False), run(AdamW)
    monkeypatch.setattr(cpu_kernels, "_quant_blockwise_fp32_direct", quantize_in_place)
    theirs = run(bitsandbytes.optim.AdamW8bit)
    assert (mine - full).abs().max() > 1e-3, "eight bits are not 32"
    row = dict(stem="pretraining", ours="pretraining.eight_bit.AdamW8bit")
    library = "bitsandbytes AdamW8bit (CPU, generic kernel)"
    for steps, tolerance in ((10, 1e-6), (STEPS, 2e-3)):
        parity(
            **row,
            reference=library,
            tolerance=tolerance,
            error=(mine[:steps] - theirs[:steps]).abs().max().item(),
            note=f"weights over {steps} steps, float32; a last bit may change a code",
        )
