"""Every family of decoders: parameters, FLOPs, cache and activations, to the last one.

Random configs are in tests/architecture/test_accounting_random.py.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_lib.architecture.accounting.activations import (
    activation_bytes,
    gpt_activation_bytes,
    saved_bytes,
)
from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    kv_cache_bytes,
    training_flops,
)
from course_lib.architecture.accounting.sizes import Sizes
from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.presets import PRESETS

FAMILIES = {name: preset(vocab_size=97, n_layers=2) for name, preset in PRESETS.items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_costs_what_torch_counts(parity, name):
    config, (batch, seq) = FAMILIES[name], (2, 12)
    model, x = Decoder(config), torch.randint(0, config.vocab_size, (batch, seq))
    with FlopCounterMode(display=False) as forward, sdpa_kernel(SDPBackend.MATH):
        logits = model(x)
    with FlopCounterMode(display=False) as backward, sdpa_kernel(SDPBackend.MATH):
        logits.sum().backward()
    one, both = forward.get_total_flops(), forward.get_total_flops() + backward.get_total_flops()
    counts = (
        (
            "count_parameters",
            "sum of numel() over parameters()",
            count_parameters(config).total,
            sum(weight.numel() for weight in model.parameters()),
        ),
        ("forward_flops", "torch FlopCounterMode", forward_flops(config, seq, batch), one),
        ("training_flops", "torch FlopCounterMode", training_flops(config, 2 * seq, seq), both),
        (
            "kv_cache_bytes",
            "bytes that GrowingCache holds",
            kv_cache_bytes(config, seq, batch, 4),
            held(model, x),
        ),
    )
    for ours, reference, said, counted in counts:
        parity(
            stem="architecture",
            ours=f"architecture.accounting.{ours}",
            tolerance=0,
            reference=reference,
            error=abs(said - counted),
            note=f"{name}, 2 layers, 2 x 12 tokens, fp32",
        )


def held(model: Decoder, x: torch.Tensor) -> int:
    """Bytes of the keys and values of a cache after one pass over x."""
    cache = GrowingCache(capacity=1)
    with torch.no_grad():
        model(x, cache=cache)
    return sum(kept.nbytes for store in (cache._keys, cache._values) for kept in store.values())


SIZES = [
    ModelConfig(vocab_size=97, d_model=64, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=176),
    ModelConfig(vocab_size=50, d_model=48, n_layers=3, n_heads=6, n_kv_heads=1, d_ff=80),
    ModelConfig(
        vocab_size=50, d_model=32, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=64, tied=False
    ),
]


CONFIGS = {f"the course's {i}": config for i, config in enumerate(SIZES)} | FAMILIES


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("batch", "seq"), [(2, 32), (1, 50)])
def test_the_decoder_keeps_what_the_formula_says(parity, name, batch, seq):
    config = CONFIGS[name]
    model, x = Decoder(config), torch.randint(0, config.vocab_size, (batch, seq))
    with sdpa_kernel(SDPBackend.MATH):
        counted = saved_bytes(model, lambda: model(x))
    parity(
        stem="architecture",
        ours="architecture.accounting.activation_bytes",
        tolerance=0,
        reference="torch saved_tensors_hooks",
        error=abs(counted - activation_bytes(config, seq, batch).total),
        note=f"bytes, fp32, {name}, d_model {config.d_model}, {batch} x {seq} tokens",
    )


class GPTBlock(nn.Module):
    """The layer of the paper: LayerNorm before, GELU, dropout in three places, biases."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(2))
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = self.qkv(self.norms[0](x)).view(b, s, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) * (d / self.heads) ** -0.5
        weights = F.dropout(scores.softmax(-1), 0.1)
        x = x + F.dropout(self.out((weights @ v).transpose(1, 2).reshape(b, s, d)), 0.1)
        return x + F.dropout(self.down(F.gelu(self.up(self.norms[1](x)))), 0.1)


def test_korthikanti_on_a_real_layer(parity):
    batch, seq, d, heads = 2, 64, 128, 4
    block = GPTBlock(d, heads).bfloat16().train()
    x = torch.randn(batch, seq, d, dtype=torch.bfloat16)
    counted = saved_bytes(block, lambda: block(x))
    want = gpt_activation_bytes(d_model=d, n_heads=heads, n_layers=1, seq=seq, batch=batch)
    # The paper leaves out mean and deviation of two norms, and has a dropout mask at one byte a
    # value, as on a GPU; torch on a CPU keeps it at the two bytes of bfloat16.
    statistics = 4 * batch * seq * 2
    masks = batch * seq * (2 * d + heads * seq)
    parity(
        stem="architecture",
        ours="architecture.accounting.gpt_activation_bytes",
        tolerance=0,
        reference="torch saved_tensors_hooks",
        error=abs(counted - statistics - masks - want),
        note="bytes, bf16, one GPT layer with dropout, less norm statistics and wide masks",
    )


def test_flops_of_a_gpt_with_biases_and_learned_positions_equal_the_counter(parity):
    """Two matrices a feed-forward block, and a head that is the embedding."""
    import transformers as t

    gpt = t.GPT2LMHeadModel(
        t.GPT2Config(vocab_size=61, n_positions=32, n_embd=48, n_layer=2, n_head=4)
    ).eval()
    gpt.set_attn_implementation("eager")
    s = Sizes(
        vocab_size=61,
        d_model=48,
        n_layers=2,
        n_heads=4,
        n_kv_heads=4,
        d_head=12,
        d_ff=192,
        gated=False,
        tied=True,
        biases="all",
        learned_positions=32,
        norm_bias=True,
    )
    x = torch.randint(0, 61, (2, 16))
    with FlopCounterMode(display=False) as counter:
        gpt(x)
    parity(
        stem="architecture",
        ours="architecture.accounting.forward_flops",
        tolerance=0,
        reference="torch FlopCounterMode",
        note="GPT-2 of 2 layers",
        error=abs(counter.get_total_flops() - forward_flops(s, 16, 2)),
    )
