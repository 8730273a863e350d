"""Accounting against counted tensors, torch's FLOP counter, and `transformers` models unbuilt."""

from dataclasses import replace

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
from course_lib.architecture.accounting.published import PUBLISHED, published
from course_lib.architecture.accounting.sizes import (
    Sizes,
    cache_bytes,
    forward_flops_a_token,
    sizes_of,
    training_flops_a_token,
    weights,
)
from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.attention.latent import LatentAttention
from course_lib.architecture.decoder import Decoder, ModelConfig

SIZES = [
    ModelConfig(vocab_size=97, d_model=64, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=176),
    ModelConfig(vocab_size=50, d_model=48, n_layers=3, n_heads=6, n_kv_heads=1, d_ff=80),
    ModelConfig(
        vocab_size=50, d_model=32, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=64, tied=False
    ),
]


@pytest.mark.parametrize("config", SIZES, ids=range(3))
@pytest.mark.parametrize(("batch", "seq"), [(2, 32), (1, 50)])
def test_the_decoder_keeps_what_the_formula_says(parity, config, batch, seq):
    model, x = Decoder(config), torch.randint(0, config.vocab_size, (batch, seq))
    with sdpa_kernel(SDPBackend.MATH):
        counted = saved_bytes(model, lambda: model(x))
    parity(
        stem="architecture",
        ours="architecture.activations.activation_bytes",
        tolerance=0,
        reference="torch saved_tensors_hooks",
        error=abs(counted - activation_bytes(config, seq, batch)),
        note=f"bytes, fp32, d_model {config.d_model}, {batch} x {seq} tokens",
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
        ours="architecture.activations.gpt_activation_bytes",
        tolerance=0,
        reference="torch saved_tensors_hooks",
        error=abs(counted - statistics - masks - want),
        note="bytes, bf16, one GPT layer with dropout, less norm statistics and wide masks",
    )


def test_korthikanti_by_hand():
    sizes = {"d_model": 8, "n_heads": 2, "n_layers": 3, "seq": 5, "batch": 7}
    assert gpt_activation_bytes(**sizes) == 3 * (5 * 7 * 8 * 34 + 5 * 2 * 5 * 5 * 7)
    assert gpt_activation_bytes(**sizes, recompute="attention") == 3 * 5 * 7 * 8 * 34
    assert gpt_activation_bytes(**sizes, recompute="everything") == 3 * 5 * 7 * 8 * 2
    with pytest.raises(ValueError, match="recompute is 'all', expected one of nothing, attention"):
        gpt_activation_bytes(**sizes, recompute="all")


def their_weights(model) -> int:
    """Counted on the meta device. GPT-3, slow to lay out, from two depths: each layer is alike."""
    if model.name != "GPT-3 175B":
        return hugging(model.name, model.sizes).num_parameters()
    two, three = (
        hugging(model.name, replace(model.sizes, n_layers=n)).num_parameters() for n in (2, 3)
    )
    return two + (model.sizes.n_layers - 2) * (three - two)


def hugging(name: str, s: Sizes) -> torch.nn.Module:
    """The same model in `transformers`, on the meta device: shapes without numbers."""
    import transformers as t

    common = {
        "vocab_size": s.vocab_size,
        "hidden_size": s.d_model,
        "num_hidden_layers": s.n_layers,
        "num_attention_heads": s.n_heads,
        "num_key_value_heads": s.n_kv_heads,
        "intermediate_size": s.d_ff,
        "tie_word_embeddings": s.tied,
    }
    family = name.split()[0]
    if family == "GPT-3":
        config = t.GPT2Config(
            vocab_size=s.vocab_size,
            n_positions=s.learned_positions,
            n_embd=s.d_model,
            n_layer=s.n_layers,
            n_head=s.n_heads,
        )
    elif family == "Llama":
        config = t.LlamaConfig(**common)
    elif family == "Mistral":
        config = t.MistralConfig(**common)
    elif family == "Mixtral":
        config = t.MixtralConfig(**common, num_local_experts=8, num_experts_per_tok=2)
    elif family == "Gemma":
        kind = t.Gemma2Config if "2 9B" in name else t.GemmaConfig
        config = kind(**common, head_dim=s.d_head)
    elif family == "Qwen3":
        config = t.Qwen3Config(**common, head_dim=s.d_head)
    else:
        config = t.DeepseekV3Config(
            **common,
            n_routed_experts=s.n_experts,
            num_experts_per_tok=s.experts_a_token,
            n_shared_experts=1,
            moe_intermediate_size=s.d_expert,
            kv_lora_rank=s.kv_rank,
            q_lora_rank=s.q_rank,
            qk_rope_head_dim=s.d_rope,
            qk_nope_head_dim=s.d_head,
            v_head_dim=s.d_value,
            first_k_dense_replace=s.dense_layers,
        )
    with torch.device("meta"):
        return t.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda m: m.name)
def test_published_weights_equal_transformers(parity, model):
    theirs = their_weights(model)
    parity(
        stem="architecture",
        ours="architecture.sizes.weights",
        tolerance=0,
        reference="transformers num_parameters()",
        error=abs(weights(model.sizes).total - theirs),
        note=f"{model.name}, all weights",
    )


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda m: m.name)
def test_published_weights_equal_the_reports(parity, model):
    """Gemma's reports count to the last weight. The others round, most of them into the name."""
    ours = weights(model.sizes)
    error = max(
        abs(have / said - 1)
        for have, said in (
            (ours.total, model.total),
            (ours.active, model.active),
            (ours.non_embedding, model.non_embedding),
        )
        if said
    )
    parity(
        stem="architecture",
        ours="architecture.sizes.weights",
        error=error,
        tolerance=0 if model.exact else 0.04,
        reference=f"report of {model.name}",
        note="relative; the report rounds" if not model.exact else "relative; to the last weight",
    )


@pytest.mark.parametrize(
    ("name", "cache", "flops"),
    [
        ("DeepSeek-V3", 70_272, 250e9),
        ("Llama 3 405B", 516_096, 2448e9),
    ],
)
def test_cache_and_flops_equal_a_report(parity, name, cache, flops):
    """Zhao et al. 2025 (Insights into DeepSeek-V3), tables 1 and 2, rows of 4,096 tokens."""
    s = published(name).sizes
    parity(
        stem="architecture",
        ours="architecture.sizes.cache_bytes",
        tolerance=0,
        reference="Zhao et al. 2025, table 1",
        error=abs(cache_bytes(s, 1) - cache),
        note=f"{name}, bytes a token",
    )
    parity(
        stem="architecture",
        ours="architecture.sizes.training_flops_a_token",
        tolerance=0.015,
        reference="Zhao et al. 2025, table 2",
        note=f"{name}, relative",
        error=abs(training_flops_a_token(s, 4096, causal=True) / flops - 1),
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
        ours="architecture.sizes.forward_flops_a_token",
        tolerance=0,
        reference="torch FlopCounterMode",
        note="GPT-2 of 2 layers",
        error=abs(counter.get_total_flops() - 2 * 16 * forward_flops_a_token(s, 16)),
    )


def test_flops_of_latent_attention_equal_the_counter(parity):
    """One layer less its absence: the layer's own products, keys expanded."""
    sizes = {"kv_rank": 16, "q_rank": 24, "d_rope": 8, "d_value": 20}
    s = Sizes(
        vocab_size=2, d_model=32, n_layers=1, n_heads=4, n_kv_heads=4, d_head=12, d_ff=1, **sizes
    )
    layer = LatentAttention(
        32, 4, kv_rank=16, q_rank=24, d_nope=12, d_rope=8, d_value=20, norm_eps=1e-6, layer=0
    )
    x, angles = torch.randn(2, 16, 32), torch.zeros(16, 4)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        layer(x, angles, angles, None, absorb=False)
    rest = 2 * (3 * 32 * 1 + 2 * 32)  # feed-forward and head of these sizes
    parity(
        stem="architecture",
        ours="architecture.sizes.forward_flops_a_token",
        tolerance=0,
        reference="torch FlopCounterMode",
        note="latent attention, one layer",
        error=abs(counter.get_total_flops() - 2 * 16 * (forward_flops_a_token(s, 16) - rest)),
    )


def test_latent_cache_equals_what_a_cache_holds(parity):
    s = Sizes(
        vocab_size=2,
        d_model=32,
        n_layers=1,
        n_heads=4,
        n_kv_heads=4,
        d_head=12,
        d_ff=1,
        kv_rank=16,
        q_rank=24,
        d_rope=8,
        d_value=20,
    )
    layer = LatentAttention(
        32, 4, kv_rank=16, q_rank=24, d_nope=12, d_rope=8, d_value=20, norm_eps=1e-6, layer=0
    )
    cache, angles = GrowingCache(capacity=1), torch.zeros(10, 4)
    layer(torch.randn(3, 10, 32), angles, angles, None, cache)
    held = [store[0] for store in (cache._keys, cache._values)]
    parity(
        stem="architecture",
        ours="architecture.sizes.cache_bytes",
        tolerance=0,
        reference="bytes that GrowingCache holds",
        note="latent attention, 3 x 10 tokens, fp32",
        error=abs(sum(t.numel() * 4 for t in held) - cache_bytes(s, 10, 3, 4)),
    )


@pytest.mark.parametrize("config", SIZES, ids=range(3))
def test_sizes_agree_with_the_accounting_of_the_course(config):
    from course_lib.architecture.accounting.formulas import (
        count_parameters,
        forward_flops,
        kv_cache_bytes,
        training_flops,
    )

    s = sizes_of(config)
    assert weights(s).total == weights(s).active == count_parameters(config).total
    assert weights(s).non_embedding == count_parameters(config).non_embedding
    assert 12 * forward_flops_a_token(s, 12) == forward_flops(config, 12)
    assert 12 * training_flops_a_token(s, 12) == training_flops(config, 12, 12)
    assert cache_bytes(s, 9, 2) == kv_cache_bytes(config, 9, 2)


def test_windows_and_halves_by_hand():
    s = Sizes(
        vocab_size=10,
        d_model=4,
        n_layers=3,
        n_heads=2,
        n_kv_heads=1,
        d_head=2,
        d_ff=8,
        window=4,
        full_layers=1,
    )
    assert cache_bytes(s, 100, 1, 1) == (2 * 4 + 1 * 100) * 2 * 1 * 2
    products = 3 * (4 * (2 + 2) * 2 + 2 * 2 * 4 + 3 * 4 * 8) + 4 * 10  # qkv, out, mlp; head
    assert forward_flops_a_token(s, 100) == 2 * products + 2 * (2 * 4 + 100) * 2 * (2 + 2)
    assert forward_flops_a_token(s, 99, causal=True) == 2 * products + 2 * (2 * 4 + 50) * 2 * 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_layers": 0}, "n_layers is 0, expected at least 1"),
        ({"n_kv_heads": 3}, "n_kv_heads is 3, expected a divisor of n_heads 4"),
        ({"n_experts": 2, "experts_a_token": 3}, "experts_a_token is 3, expected 0 to n_experts 2"),
        ({"full_layers": 9}, "full_layers is 9, expected 0 to n_layers 2"),
    ],
)
def test_bad_sizes_are_named(wrong, message):
    right = {
        "vocab_size": 10,
        "d_model": 8,
        "n_layers": 2,
        "n_heads": 4,
        "n_kv_heads": 2,
        "d_head": 2,
        "d_ff": 8,
    }
    with pytest.raises(ValueError, match=message):
        Sizes(**{**right, **wrong})
    with pytest.raises(ValueError, match="'GPT-5': expected one of GPT-3 175B, Llama 3 8B"):
        published("GPT-5")
