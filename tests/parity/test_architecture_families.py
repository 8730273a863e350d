"""Six families: our decoder against `transformers`, logits, weights both ways, greedy text."""

import pytest
import torch
from torch.nn import functional as F
from transformers import (
    DeepseekV3Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Qwen3Config,
)
from transformers.activations import ACT2FN

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import CLASSES, from_transformers, to_transformers
from course_lib.architecture.families.presets import PRESETS, deepseek, gpt2, mixtral
from course_lib.architecture.ops import gelu_tanh, layer_norm, relu_squared
from course_lib.architecture.sampling.generate import generate

SMALL = {"vocab_size": 97, "d_model": 64, "n_layers": 3, "max_seq": 64}
OURS: dict[str, ModelConfig] = {
    "gpt2": gpt2(**SMALL, n_heads=4, d_ff=200),
    "llama": PRESETS["llama"](**SMALL, tied=False),
    "mistral": PRESETS["mistral"](**SMALL, sliding_window=5, tied=False),
    "mixtral": mixtral(**SMALL, n_experts=5, top_k=2, d_ff=56, tied=False, rope_theta=1e6),
    "qwen3": PRESETS["qwen3"](**SMALL, head_size=24, norm_eps=1e-6),
    "deepseek": deepseek(**SMALL, tied=False),
}
HF = {
    "vocab_size": 97,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
    "initializer_range": 0.12,
    "bos_token_id": None,
    "eos_token_id": None,
}
LATENT = {
    "kv_lora_rank": 20,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "v_head_dim": 14,
    "first_k_dense_replace": 3,
    "num_nextn_predict_layers": 0,
    "pad_token_id": None,
}
THEIRS = {
    "gpt2": GPT2Config(
        vocab_size=97,
        n_embd=64,
        n_layer=3,
        n_head=4,
        n_positions=64,
        initializer_range=0.12,
        bos_token_id=None,
        eos_token_id=None,
    ),
    "llama": LlamaConfig(**HF, tie_word_embeddings=True),
    "mistral": MistralConfig(**HF, sliding_window=7, head_dim=10),
    "mixtral": MixtralConfig(**HF, num_local_experts=4, num_experts_per_tok=3, sliding_window=9),
    "qwen3": Qwen3Config(**HF, head_dim=20, tie_word_embeddings=True),
    "deepseek": DeepseekV3Config(
        **HF | {"num_key_value_heads": 4}, **LATENT, q_lora_rank=24, rope_interleave=True
    ),
    "deepseek, one query matrix": DeepseekV3Config(
        **HF | {"num_key_value_heads": 4}, **LATENT, q_lora_rank=None, rope_interleave=True
    ),
}


def noisy(module: torch.nn.Module) -> torch.nn.Module:
    """Every gain and bias off its start, so that one left behind would show."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in module.parameters():
            scale = 0.2 if weight.ndim == 1 else 0.02
            weight.add_(scale * torch.randn(weight.shape, generator=generator))
    return module.eval()


def lively(family: str) -> Decoder:
    return noisy(Decoder(OURS[family], torch.Generator().manual_seed(0)))


def tokens(batch: int = 3, seq: int = 40) -> torch.Tensor:
    return torch.randint(0, 97, (batch, seq), generator=torch.Generator().manual_seed(1))


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


def test_layer_norm(parity):
    x, weight, bias = 3 + 2 * torch.randn(4, 9, 64), torch.randn(64), torch.randn(64)
    error = apart(layer_norm(x, weight, bias, 1e-5), F.layer_norm(x, (64,), weight, bias, 1e-5))
    parity(
        stem="architecture",
        ours="architecture.ops.layer_norm",
        tolerance=5e-6,
        reference="torch.nn.functional.layer_norm",
        error=error,
        note="fp32, values to 10",
    )


def test_activations(parity):
    x = torch.linspace(-6, 6, 1001)
    for ours, theirs in ((gelu_tanh, "gelu_new"), (relu_squared, "relu2")):
        parity(
            stem="architecture",
            ours=f"architecture.ops.{ours.__name__}",
            tolerance=1e-6,
            reference=f"transformers ACT2FN[{theirs!r}]",
            error=apart(ours(x), ACT2FN[theirs](x)),
            note="fp32, -6 to 6",
        )


@pytest.mark.parametrize("family", OURS)
@torch.no_grad()
def test_our_weights_in_their_model(parity, family):
    model, x = lively(family), tokens()
    theirs = to_transformers(model)
    assert type(theirs) is CLASSES[family]
    logits = model(x)
    assert logits.std() > 0.3
    parity(
        stem="architecture",
        ours=f"architecture.interop.to_transformers({family})",
        reference=f"transformers {type(theirs).__name__}",
        tolerance=1e-5,
        error=apart(logits, theirs(x, use_cache=False).logits),
        note="logits, fp32",
    )


@pytest.mark.parametrize("name", THEIRS)
@torch.no_grad()
def test_their_weights_in_our_model(parity, name):
    torch.manual_seed(0)
    theirs = noisy(CLASSES[name.split(",")[0]](THEIRS[name]))
    model, x = from_transformers(theirs), tokens()
    logits = theirs(x, use_cache=False).logits
    assert logits.std() > 0.3
    parity(
        stem="architecture",
        ours=f"architecture.interop.from_transformers({name})",
        reference=f"transformers {type(theirs).__name__}",
        tolerance=1e-5,
        error=apart(model(x), logits),
        note="logits, fp32",
    )
    again, weights = to_transformers(model).state_dict(), theirs.state_dict()
    assert again.keys() == weights.keys()
    assert [n for n in weights if not torch.equal(again[n], weights[n])] == []


@pytest.mark.parametrize("family", OURS)
def test_there_and_back_is_bit_exact(family):
    model = lively(family)
    back = from_transformers(to_transformers(model))
    assert back.config == model.config
    ours, theirs = model.state_dict(), back.state_dict()
    assert ours.keys() == theirs.keys()
    assert [n for n in ours if not torch.equal(ours[n], theirs[n])] == []
    with torch.no_grad():
        theirs["embed.weight"].zero_()
    assert model.embed.weight.abs().sum() > 0


@pytest.mark.parametrize("family", ["gpt2", "mistral", "deepseek"])
def test_greedy_text_is_the_same(parity, family):
    """Learned positions, a window that is full, and a cache of latents, token by token."""
    model = lively(family)
    theirs = to_transformers(model, eos_id=0)
    prompts = [row[: 4 + 3 * i].tolist() for i, row in enumerate(tokens(batch=4))]
    ours, wrong = generate(model, prompts, max_new_tokens=24, stop_ids=(0,)), 0
    for prompt, reply in zip(prompts, ours, strict=True):
        given = torch.tensor([prompt])
        text = theirs.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=24, do_sample=False
        )
        wrong += text[0, len(prompt) :].tolist() != reply
    parity(
        stem="architecture",
        ours=f"architecture.sampling.generate ({family})",
        error=wrong,
        tolerance=0,
        reference=f"transformers {type(theirs).__name__}.generate",
        note=f"greedy replies that differ, of {len(prompts)}",
    )
