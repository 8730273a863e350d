"""Memory of a step: the formula against the count; recomputation and chunks change no number."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.architecture.accounting.peak_memory import PeakMemory
from course_lib.architecture.config import Latent
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.presets import PRESETS
from course_lib.pretraining.memory.step import (
    chunked_cross_entropy,
    measured_step,
    recompute_blocks,
    step_memory,
    training_loss,
)

WIDE = ModelConfig(vocab_size=512, d_model=64, n_layers=4, n_heads=4, n_kv_heads=2, d_ff=128)
SHAPES = [
    (WIDE, 4, 64),
    (WIDE, 1, 16),
    (
        ModelConfig(
            vocab_size=2048, d_model=32, n_layers=2, n_heads=2, n_kv_heads=2, d_ff=96, tied=False
        ),
        4,
        48,
    ),
]


SMALL = {"vocab_size": 64, "d_model": 64, "n_layers": 2, "d_ff": 160}  # the head is no giant here
CHANGES = {
    "mixtral": {"n_experts": 4},
    "deepseek": {"latent": Latent(kv_rank=24, q_rank=32, d_nope=12, d_rope=8, d_value=16)},
}
FAMILIES = {name: preset(**SMALL, **CHANGES.get(name, {})) for name, preset in PRESETS.items()}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("recompute", ["", "ours"])
@pytest.mark.parametrize(("batch", "seq", "chunk"), [(4, 64, 0), (1, 16, 8)])
def test_every_family_is_within_a_tenth(name, recompute, chunk, batch, seq):
    config = FAMILIES[name]
    peak, _ = measured_step(config, batch=batch, seq=seq, recompute=recompute, chunk=chunk)
    said = step_memory(config, batch=batch, seq=seq, recompute=bool(recompute), chunked=bool(chunk))
    assert said.peak == pytest.approx(peak, rel=0.1)


@pytest.mark.parametrize(("config", "batch", "seq"), SHAPES)
@pytest.mark.parametrize("recompute", ["", "ours", "torch"])
@pytest.mark.parametrize("chunk", [0, 16])
def test_prediction_is_within_a_tenth_of_the_count(config, batch, seq, recompute, chunk):
    peak, _ = measured_step(config, batch=batch, seq=seq, recompute=recompute, chunk=chunk)
    said = step_memory(config, batch=batch, seq=seq, recompute=bool(recompute), chunked=bool(chunk))
    assert said.peak == pytest.approx(peak, rel=0.1)


def test_the_parts_by_hand():
    said = step_memory(WIDE, batch=2, seq=8)
    weights = sum(p.numel() for p in Decoder(WIDE).parameters())
    assert said.weights == said.gradients == 4 * weights and said.states == 8 * weights
    assert said.logits == 3 * 4 * 16 * 512
    assert said.standing == 12 * weights and said.again == 0
    assert said.peak == said.standing + max(
        said.activations + said.logits, said.gradients + said.update
    )


@pytest.mark.parametrize("by", ["ours", "torch"])
def test_recomputing_gives_the_same_bits_with_less_memory(by):
    tokens = torch.randint(512, (4, 65))
    losses, grads, peaks = [], [], []
    for wrap in (False, True):
        model = Decoder(WIDE, generator=torch.Generator().manual_seed(0))
        if wrap:
            recompute_blocks(model, by)
        with PeakMemory() as memory:
            loss = training_loss(model, tokens)
            loss.backward()
        losses.append(loss.item())
        peaks.append(memory.peak)
        grads.append([p.grad for p in model.parameters()])
    assert losses[0] == losses[1]
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    assert peaks[1] < 0.7 * peaks[0]
    with torch.no_grad():
        assert training_loss(model, tokens).item() == losses[0]


@pytest.mark.parametrize("chunk", [1, 5, 64, 1000])
def test_chunked_loss_and_gradients_equal_torchs(chunk):
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(37, 8, dtype=torch.float64, generator=generator, requires_grad=True)
    head = torch.randn(50, 8, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.randint(50, (37,), generator=generator)
    targets[[3, 20]] = -100
    want = F.cross_entropy(hidden @ head.T, targets)
    want_grads = torch.autograd.grad(3 * want, (hidden, head))
    got = chunked_cross_entropy(hidden, head, targets, chunk)
    got_grads = torch.autograd.grad(3 * got, (hidden, head))
    assert got.item() == pytest.approx(want.item(), rel=1e-13)
    for ours, theirs in zip(got_grads, want_grads, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-14, rtol=1e-12)


def test_chunks_never_hold_the_logits():
    hidden, head = torch.randn(512, 16, requires_grad=True), torch.randn(4096, 16)
    head.requires_grad_()
    targets = torch.randint(4096, (512,))
    with PeakMemory() as memory:
        chunked_cross_entropy(hidden, head, targets, 32).backward()
    assert memory.peak < 0.3 * 4 * 512 * 4096


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match="batch=0"):
        step_memory(WIDE, batch=0, seq=8)
    with pytest.raises(ValueError, match="chunk=0"):
        chunked_cross_entropy(torch.ones(2, 3), torch.ones(4, 3), torch.zeros(2).long(), 0)
    with pytest.raises(ValueError, match="by='jax'"):
        recompute_blocks(Decoder(WIDE), "jax")
