"""What a beginning does to the scale of signals, against its theory."""

import math

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.presets import gpt2
from course_lib.pretraining.initialisation.schemes import (
    Tower,
    gpt2_,
    he_std,
    normal_,
    scales_by_depth,
    uniform_,
    xavier_std,
    zero_projections_,
)


def generator():
    return torch.Generator().manual_seed(0)


def test_formulas_by_hand():
    assert xavier_std(3, 5) == pytest.approx(0.5)
    assert he_std(8) == pytest.approx(0.5)
    assert he_std(4, gain=1.0) == pytest.approx(0.5)


@pytest.mark.parametrize("fill", [normal_, uniform_])
def test_both_shapes_have_the_same_deviation(fill):
    weight = fill(torch.empty(300, 300), 0.2, generator())
    assert weight.std().item() == pytest.approx(0.2, rel=0.02)
    if fill is uniform_:
        assert weight.abs().max() <= 0.2 * math.sqrt(3)


def tower_scales(std, depth=32):
    tower = Tower(depth, 200, torch.relu)
    draws = generator()
    for layer in tower.layers:
        normal_(layer.weight, std, draws)
    x = torch.randn(64, 200, generator=draws)
    return scales_by_depth(tower.layers, lambda: (tower(x) * torch.randn(200)).mean())


def test_he_keeps_and_xavier_halves():
    kept, halved = tower_scales(he_std(200)), tower_scales(xavier_std(200, 200))
    assert 0.3 < kept.activations[-1] / kept.activations[0] < 3
    # The mean square halves at each of 31 layers, so the root mean square falls by 2 ** 15.5.
    ratio = halved.activations[0] / halved.activations[-1]
    assert 15.5 - 1.7 < math.log2(ratio) < 15.5 + 1.7
    assert halved.gradients[0] < 1e-3 < 0.1 < kept.gradients[0]


def test_gpt2_scales_what_writes_to_the_stream():
    config = gpt2(vocab_size=500, d_model=128, n_layers=8, max_seq=64)
    model = Decoder(config)
    gpt2_(model, generator())
    block = model.blocks[3]
    assert block.attention.qkv.weight.std().item() == pytest.approx(0.02, rel=0.02)
    for writer in (block.attention.out, block.mlp.down):
        assert writer.weight.std().item() == pytest.approx(0.02 / 4, rel=0.03)
        assert writer.bias.abs().max() == 0
    assert model.embed.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert (block.mlp_norm.weight == 1).all()


def test_zero_projections_make_every_block_the_identity():
    config = ModelConfig(vocab_size=50, d_model=32, n_heads=2, n_kv_heads=1, d_ff=48, n_layers=3)
    model = Decoder(config, generator())
    zero_projections_(model)
    tokens = torch.arange(10)[None]
    expected = model.unembed(model.norm(model.embed(tokens)))
    assert torch.equal(model(tokens), expected)
    assert expected.abs().max() > 0.1
    model(tokens)[0, :, 3].logsumexp(0).backward()
    block = model.blocks[0]
    assert block.mlp.down.weight.grad.abs().max() > 0
    assert block.mlp.gate.weight.grad.abs().max() == 0


def test_refused():
    with pytest.raises(ValueError, match="fan is 0: expected at least 1"):
        he_std(0)
    tower = Tower(2, 4, torch.tanh)
    with pytest.raises(ValueError, match=r"layers \[1\] were not used"):
        scales_by_depth(tower.layers, lambda: tower.layers[0](torch.ones(1, 4)).sum())
