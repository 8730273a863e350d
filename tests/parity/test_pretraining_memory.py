"""Memory savers against torch: the same numbers with less held."""

import torch
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.memory.step import (
    chunked_cross_entropy,
    recompute_blocks,
    training_loss,
)


def test_chunked_cross_entropy_equals_torchs(parity):
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(64, 16, dtype=torch.float64, generator=generator, requires_grad=True)
    w = torch.randn(300, 16, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.randint(300, (64,), generator=generator)
    want, got = F.cross_entropy(h @ w.T, targets), chunked_cross_entropy(h, w, targets, 7)
    pairs = zip(torch.autograd.grad(got, (h, w)), torch.autograd.grad(want, (h, w)), strict=True)
    parity(
        stem="pretraining",
        ours="pretraining.memory.chunked_cross_entropy",
        reference=f"torch {torch.__version__} cross_entropy",
        error=max([abs(got - want).item(), *((a - b).abs().max().item() for a, b in pairs)]),
        tolerance=1e-12,
        note="loss and both gradients, float64, chunks of 7",
    )


def test_recomputed_layers_equal_torchs_checkpoint(parity):
    config = ModelConfig(vocab_size=64, d_model=32, n_layers=3, n_heads=2, n_kv_heads=1, d_ff=48)
    tokens = torch.randint(64, (2, 17), generator=torch.Generator().manual_seed(0))
    grads = []
    for by in ("ours", "torch"):
        model = recompute_blocks(Decoder(config, torch.Generator().manual_seed(0)), by)
        training_loss(model, tokens).backward()
        grads.append([p.grad for p in model.parameters()])
    error = max((a - b).abs().max().item() for a, b in zip(*grads, strict=True))
    parity(
        stem="pretraining",
        ours="pretraining.memory.Recompute",
        reference=f"torch {torch.__version__} utils.checkpoint",
        error=error,
        tolerance=0.0,
        note="all gradients, bit for bit",
    )
