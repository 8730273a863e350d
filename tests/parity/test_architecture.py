"""Our decoder against torch and `transformers`: logits, weights both ways, greedy text, FLOPs."""

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    training_flops,
)
from course_lib.architecture.attention.dot_product import kernel_mask, plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import from_llama, llama_config, to_llama
from course_lib.architecture.ops import rms_norm, softmax, swiglu
from course_lib.architecture.sampling.filters import filter_logits
from course_lib.architecture.sampling.generate import generate
from course_lib.profile import CPU

SIZES = {
    "grouped, tied": ModelConfig(vocab_size=97, d_model=64, n_layers=3, max_seq=64),
    "multi-query, untied": ModelConfig(
        vocab_size=97,
        d_model=48,
        n_layers=2,
        n_heads=6,
        n_kv_heads=1,
        d_ff=72,
        max_seq=64,
        rope_theta=5e5,
        norm_eps=1e-6,
        tied=False,
    ),
}


def lively(config: ModelConfig) -> Decoder:
    """Random weights, gains included, at the spread of a trained small model (logits near 1)."""
    generator = torch.Generator().manual_seed(0)
    model = Decoder(config, generator).eval()
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(noise * weight.shape[-1] ** -0.5 if weight.ndim == 2 else 1 + 0.2 * noise)
    return model


def tokens(config: ModelConfig, batch: int = 3, seq: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, config.vocab_size, (batch, seq), generator=generator)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


def test_rms_norm(parity):
    x, weight = torch.randn(4, 9, 64), torch.randn(64)
    error = apart(rms_norm(x, weight, 1e-5), F.rms_norm(x, (64,), weight, 1e-5))
    parity(
        stem="architecture",
        ours="architecture.ops.rms_norm",
        tolerance=2e-6,
        reference="torch.nn.functional.rms_norm",
        error=error,
        note="fp32, values to 10",
    )


def test_softmax(parity):
    scores = torch.randn(6, 11, 50) * 3
    parity(
        stem="architecture",
        ours="architecture.ops.softmax",
        reference="torch.softmax",
        error=apart(softmax(scores), scores.softmax(-1)),
        tolerance=1e-6,
        note="fp32",
    )


@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
def test_attention_and_its_gradient(parity, n_kv_heads):
    q = torch.randn(2, 4, 20, 16, requires_grad=True)
    k, v = (torch.randn(2, n_kv_heads, 20, 16, requires_grad=True) for _ in "kv")
    ours = plain_attention(q, k, v, causal_mask(20))
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    grads = [torch.autograd.grad(out.square().sum(), (q, k, v)) for out in (ours, theirs)]
    error = max(apart(a, b) for a, b in zip((ours, *grads[0]), (theirs, *grads[1]), strict=True))
    parity(
        stem="architecture",
        ours="architecture.attention.plain_attention",
        reference="torch.nn.functional.scaled_dot_product_attention",
        error=error,
        tolerance=3e-5,
        note=f"output and gradients, fp32, 4 query and {n_kv_heads} key heads",
    )
    mask = kernel_mask(causal_mask(20), q.dtype)
    masked = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    parity(
        stem="architecture",
        ours="architecture.attention.kernel_mask",
        tolerance=1e-6,
        reference="architecture.attention.plain_attention",
        error=apart(masked, ours),
        note=f"fp32, 4 query and {n_kv_heads} key heads",
    )


def test_swiglu_layer(parity):
    from transformers.models.llama.modeling_llama import LlamaMLP

    theirs = LlamaMLP(llama_config(SIZES["grouped, tied"]))
    x = torch.randn(5, 64)
    ours = theirs.down_proj(swiglu(theirs.gate_proj(x), theirs.up_proj(x)))
    parity(
        stem="architecture",
        ours="architecture.ops.swiglu",
        tolerance=1e-6,
        reference="transformers LlamaMLP",
        error=apart(ours, theirs(x)),
        note="fp32",
    )


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_logits_to_llama(parity, size):
    model = lively(SIZES[size])
    x = tokens(model.config)
    llama = to_llama(model)
    assert isinstance(llama, LlamaForCausalLM)
    assert model(x).std() > 0.3
    parity(
        stem="architecture",
        ours="architecture.interop.to_llama",
        tolerance=1e-5,
        reference="transformers LlamaForCausalLM",
        error=apart(model(x), llama(x).logits),
        note=f"logits, fp32, {size}",
    )


@pytest.mark.parametrize("tied", [True, False])
@torch.no_grad()
def test_logits_from_llama(parity, tied):
    torch.manual_seed(0)
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=97,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=96,
            max_position_embeddings=64,
            tie_word_embeddings=tied,
            initializer_range=0.12,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    model = from_llama(llama)
    x = tokens(model.config)
    parity(
        stem="architecture",
        ours="architecture.interop.from_llama",
        tolerance=1e-5,
        reference="transformers LlamaForCausalLM",
        error=apart(model(x), llama(x).logits),
        note=f"logits, fp32, {'tied' if tied else 'untied'} head",
    )


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back_is_bit_exact(size):
    model = lively(SIZES[size])
    back = from_llama(to_llama(model))
    assert back.config == model.config
    ours, theirs = model.state_dict(), back.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_copies_are_independent():
    model = lively(SIZES["grouped, tied"])
    before = model.embed.weight.clone()
    with torch.no_grad():
        to_llama(model).model.embed_tokens.weight.zero_()
    assert torch.equal(model.embed.weight, before)


def test_another_family_is_no_llama():
    config = SIZES["multi-query, untied"]
    windowed = Decoder(ModelConfig(**{**config.to_dict(), "sliding_window": 5}))
    with pytest.raises(ValueError, match="the config is a mistral, expected a llama"):
        to_llama(windowed)


def test_gradients_equal_llama(parity):
    model = lively(SIZES["grouped, tied"])
    llama, x = to_llama(model), tokens(model.config)
    F.cross_entropy(model(x)[:, :-1].flatten(0, 1), x[:, 1:].flatten()).backward()
    llama(x, labels=x).loss.backward()
    gate = llama.model.layers[0].mlp.gate_proj.weight.grad
    error = max(
        apart(model.embed.weight.grad, llama.model.embed_tokens.weight.grad),
        apart(model.blocks[0].mlp.gate.weight.grad, gate),
    )
    assert gate.abs().max() > 1e-3
    parity(
        stem="architecture",
        ours="architecture.model.Decoder",
        error=error,
        tolerance=1e-6,
        reference="transformers LlamaForCausalLM",
        note="gradients of the loss, fp32",
    )


@pytest.mark.parametrize("size", SIZES)
def test_greedy_text_equals_transformers(parity, size):
    model = lively(SIZES[size])
    llama = to_llama(model, eos_id=0)
    prompts = [row[: 3 + 2 * i].tolist() for i, row in enumerate(tokens(model.config, batch=6))]
    ours = generate(model, prompts, max_new_tokens=30, stop_ids=(0,))
    wrong = 0
    for prompt, reply in zip(prompts, ours, strict=True):
        given = torch.tensor([prompt])
        theirs = llama.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=30, do_sample=False
        )
        wrong += theirs[0, len(prompt) :].tolist() != reply
    parity(
        stem="architecture",
        ours="architecture.sampling.generate",
        error=wrong,
        tolerance=0,
        reference="transformers generate(do_sample=False)",
        note=f"replies that differ, of {len(prompts)}, {size}",
    )


def test_filters_equal_transformers(parity):
    from transformers.generation.logits_process import (
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    logits = torch.randn(50, 200) * 3
    theirs = TemperatureLogitsWarper(0.7)(None, logits)
    theirs = TopPLogitsWarper(0.8)(None, TopKLogitsWarper(40)(None, theirs))
    ours = filter_logits(logits, temperature=0.7, top_k=40, top_p=0.8)
    parity(
        stem="architecture",
        ours="architecture.sampling.filter_logits",
        tolerance=1e-6,
        reference="transformers Temperature, TopK, TopP warpers",
        error=apart(ours.softmax(-1), theirs.softmax(-1)),
        note="probabilities",
    )


@pytest.mark.parametrize("config", [*SIZES.values(), CPU.model])
def test_flops_equal_the_counter(parity, config):
    """The counter sees the written-out products: the CPU's fused kernel is not in its table."""
    model, x = Decoder(config), tokens(config, batch=2, seq=16)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        logits = model(x)
    forward = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        logits.sum().backward()
    both = forward + counter.get_total_flops()
    name = f"fp32, d_model {config.d_model}, {config.n_layers} layers"
    parity(
        stem="architecture",
        ours="architecture.accounting.forward_flops",
        tolerance=0,
        reference="torch FlopCounterMode",
        error=abs(forward - forward_flops(config, 16, 2)),
        note=f"FLOPs, {name}",
    )
    parity(
        stem="architecture",
        ours="architecture.accounting.training_flops",
        tolerance=0,
        reference="torch FlopCounterMode",
        error=abs(both - training_flops(config, 32, 16)),
        note=f"FLOPs, {name}",
    )


def test_parameters_equal_transformers(parity):
    config = SIZES["multi-query, untied"]
    parity(
        stem="architecture",
        ours="architecture.accounting.count_parameters",
        tolerance=0,
        reference="transformers num_parameters()",
        note="weights",
        error=abs(count_parameters(config).total - to_llama(Decoder(config)).num_parameters()),
    )
