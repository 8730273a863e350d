"""LoRA starts as nothing, trains only its own matrices, and merges into the same function."""

import pytest
import torch
from torch import nn

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.sft.lora import LoraLinear, add_lora, merge_lora, trainable_share

SIZES = dict(vocab_size=40, d_model=32, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=48)


@pytest.fixture
def model() -> Decoder:
    return Decoder(ModelConfig(**SIZES), torch.Generator().manual_seed(0))


def test_by_hand():
    base = nn.Linear(2, 2, bias=False)
    base.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    layer = LoraLinear(base, rank=1, alpha=2.0)
    layer.lora_a.data = torch.tensor([[1.0, 1.0]])
    layer.lora_b.data = torch.tensor([[3.0], [0.0]])
    # W x = (1, 2); A x = 3; B A x = (9, 0); times alpha / rank = 2
    assert layer(torch.tensor([1.0, 2.0])).tolist() == [19.0, 2.0]
    assert layer.merged().weight.tolist() == [[7.0, 6.0], [0.0, 1.0]]


def test_starts_equal_to_the_base_model(model):
    x = torch.arange(12).reshape(2, 6)
    before = model(x)
    names = add_lora(model, rank=4, alpha=8.0, layers=["qkv", "down"])
    assert len(names) == 4
    assert torch.equal(model(x), before)


def test_trains_the_adapters_alone_and_merges_exactly(model):
    x = torch.arange(12).reshape(2, 6)
    add_lora(model, rank=4, alpha=8.0, layers=["qkv", "out", "gate", "up", "down"])
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    before = model(x).detach()
    for _ in range(3):
        optimizer.zero_grad()
        model(x).logsumexp(-1).mean().backward()
        optimizer.step()
    trained = model(x).detach()
    assert (trained - before).abs().max() > 1e-3
    assert all(torch.equal(p, frozen[n]) for n, p in model.named_parameters() if n in frozen)
    merge_lora(model)
    assert not any(isinstance(m, LoraLinear) for m in model.modules())
    assert torch.allclose(model(x), trained, atol=1e-5)


def test_trainable_share_counts_a_and_b(model):
    total = sum(p.numel() for p in model.parameters())
    add_lora(model, rank=2, alpha=4.0, layers=["down"])
    extra = 2 * 2 * (32 + 48)  # two layers, rank 2
    assert trainable_share(model) == pytest.approx(extra / (total + extra))


def test_errors_name_the_value(model):
    with pytest.raises(ValueError, match="q_proj"):
        add_lora(model, rank=2, alpha=4.0, layers=["q_proj"])
    with pytest.raises(ValueError, match="rank 0"):
        LoraLinear(nn.Linear(2, 2), rank=0, alpha=1.0)
