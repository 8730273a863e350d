"""Published models: weights against `transformers`, unbuilt, and all against their reports."""

from dataclasses import replace

import pytest
import torch

from course_lib.architecture.accounting.formulas import (
    count_parameters,
    kv_cache_bytes,
    training_flops,
)
from course_lib.architecture.accounting.published import PUBLISHED, published
from course_lib.architecture.accounting.sizes import Sizes


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
        ours="architecture.accounting.count_parameters",
        tolerance=0,
        reference="transformers num_parameters()",
        error=abs(count_parameters(model.sizes).total - theirs),
        note=f"{model.name}, all weights",
    )


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda m: m.name)
def test_published_weights_equal_the_reports(parity, model):
    """Gemma's reports count to the last weight. The others round, most of them into the name."""
    ours = count_parameters(model.sizes)
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
        ours="architecture.accounting.count_parameters",
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
        ours="architecture.accounting.kv_cache_bytes",
        tolerance=0,
        reference="Zhao et al. 2025, table 1",
        error=abs(kv_cache_bytes(s, 1) - cache),
        note=f"{name}, bytes a token",
    )
    parity(
        stem="architecture",
        ours="architecture.accounting.training_flops",
        tolerance=0.015,
        reference="Zhao et al. 2025, table 2",
        note=f"{name}, relative",
        error=abs(training_flops(s, 4096, 4096, causal=True) / 4096 / flops - 1),
    )
