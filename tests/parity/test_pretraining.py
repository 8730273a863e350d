"""Pretraining's functions against torch's."""

import torch
from torch.nn import functional as F

from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups


def _network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = torch.nn.Linear(6, 16), torch.nn.GELU(), torch.nn.LayerNorm(16), torch.nn.Linear(16, 3)
    return torch.nn.Sequential(*layers).double()


def _run(optimizer_class, **more) -> torch.Tensor:
    """100 steps of a small regression in float64; the weights after each step."""
    model, generator = _network(), torch.Generator().manual_seed(1)
    optimizer = optimizer_class(param_groups(model, 0.1), lr=3e-3, betas=(0.9, 0.95), **more)
    path = []
    for _ in range(100):
        x = torch.randn(8, 6, generator=generator, dtype=torch.float64)
        optimizer.zero_grad()
        (model(x) - x[:, :3].sin()).square().mean().backward()
        optimizer.step()
        path.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    return torch.stack(path)


def test_adamw(parity):
    ours, theirs = _run(AdamW), _run(torch.optim.AdamW, eps=1e-8)
    assert (theirs[-1] - theirs[0]).abs().max() > 0.05, "the weights moved"
    parity(
        stem="pretraining",
        ours="pretraining.optimizers.adamw.AdamW",
        reference="torch.optim.AdamW",
        error=(ours - theirs).abs().max().item(),
        tolerance=1e-12,
        note="weights over 100 steps, float64",
    )


def test_cross_entropy(parity):
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(4, 32, 768, generator=generator)
    targets = torch.randint(768, (4, 32), generator=generator)
    targets[0, :9] = -100
    theirs = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    parity(
        stem="pretraining",
        ours="pretraining.train.cross_entropy",
        reference="torch.nn.functional.cross_entropy",
        error=abs(cross_entropy(logits, targets) - theirs).item(),
        tolerance=5e-6,
        note="loss about 15 nats, float32",
    )
