"""Each transformation of a model on each family: it works and is equal, or is refused by name."""

import copy
import dataclasses
import itertools

import pytest
import torch
from torch import nn

from course_lib.architecture.accounting import activations, formulas
from course_lib.architecture.decoder import Decoder, load_model, save_model
from course_lib.architecture.families import presets
from course_lib.architecture.families.interop import from_transformers, to_transformers
from course_lib.architecture.sampling.generate import generate
from course_lib.deployment.kv_cache import decode_cached, decode_naive
from course_lib.deployment.quantize import load_quantized, quantize_model, save_quantized
from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.speed.fast import fast_config, fast_loss
from course_lib.sft.lora import add_lora, merge_lora

SIZES = dict(vocab_size=40, d_model=32, n_layers=2, n_heads=4, d_ff=48, max_seq=32)
FAMILIES = {
    "gpt2": lambda: presets.gpt2(**SIZES, n_kv_heads=4),
    "llama": lambda: presets.llama(**SIZES, n_kv_heads=2),
    "mistral": lambda: presets.mistral(**SIZES, n_kv_heads=2, sliding_window=4),
    "mixtral": lambda: presets.mixtral(**SIZES, n_kv_heads=2, n_experts=4),
    "qwen3": lambda: presets.qwen3(**SIZES, n_kv_heads=2),
    "deepseek": lambda: presets.deepseek(**SIZES),
}
TOKENS = torch.randint(0, 40, (2, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=[(name, tied) for name in FAMILIES for tied in (True, False)])
def model(request) -> Decoder:
    name, tied = request.param
    config = dataclasses.replace(FAMILIES[name](), tied=tied)
    return Decoder(config, torch.Generator().manual_seed(0)).eval()


def linear_names(model: nn.Module) -> list[str]:
    found = (n for n, layer in model.named_modules() if isinstance(layer, nn.Linear))
    return sorted({name.rsplit(".", 1)[-1] for name in found})


@torch.no_grad()
def test_lora_on_every_linear_layer_begins_equal_learns_and_merges(model):
    before = model(TOKENS)
    for name in linear_names(model):  # the head, latent's key and value matrices, the router …
        adapted = copy.deepcopy(model)
        add_lora(adapted, rank=2, alpha=4, layers=[name])
        torch.testing.assert_close(adapted(TOKENS), before, atol=1e-5, rtol=0)
        with torch.enable_grad():
            adapters = [p for p in adapted.parameters() if p.requires_grad]
            for p in adapters:
                nn.init.normal_(p, std=0.1, generator=torch.Generator().manual_seed(1))
            after = adapted(TOKENS)
            after.square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapters), name
        assert (after - before).abs().max() > 1e-3
        copied = copy.deepcopy(adapted)  # as a reference is: also after a backward pass
        torch.testing.assert_close(copied(TOKENS), after)
        with pytest.raises(ValueError, match="is a LoraLinear"):
            save_model(adapted, "nowhere")
        with pytest.raises(ValueError, match="is a LoraLinear"):
            to_transformers(adapted)
        torch.testing.assert_close(merge_lora(adapted)(TOKENS), after, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_rows_of_int8(model, tmp_path):
    if model.config.bias:
        with pytest.raises(ValueError, match="has a bias"):
            quantize_model(model)
        return
    integers = quantize_model(model)
    assert 0 < (integers(TOKENS) - model(TOKENS)).abs().mean() < 0.1
    save_quantized(integers, tmp_path)
    assert torch.equal(load_quantized(tmp_path)(TOKENS), integers(TOKENS))
    assert generate(integers, [[1, 2, 3]], max_new_tokens=3)
    for refused in (lambda: to_transformers(integers), lambda: save_model(integers, tmp_path)):
        with pytest.raises(ValueError, match="is a QuantizedEmbedding"):
            refused()
    with pytest.raises(ValueError, match="is a QuantizedLinear"):
        add_lora(integers, rank=2, alpha=4, layers=["out"])
    with pytest.raises(ValueError, match="expected a model of quantize_model"):
        save_quantized(model, tmp_path)


@torch.no_grad()
def test_out_and_back(model, tmp_path):
    before = model(TOKENS)
    save_model(model, tmp_path)
    assert torch.equal(load_model(tmp_path)(TOKENS), before)
    theirs = to_transformers(model)
    torch.testing.assert_close(theirs(TOKENS).logits, before, atol=1e-4, rtol=0)
    torch.testing.assert_close(from_transformers(theirs)(TOKENS), before, atol=1e-5, rtol=0)


def test_accounting(model):
    numbers = sum(p.numel() for p in model.parameters())
    assert formulas.count_parameters(model.config).total == numbers
    assert formulas.training_flops(model.config, 8, 8) > 0
    assert formulas.kv_cache_bytes(model.config, 8, 1) > 0
    assert activations.activation_bytes(model.config, 8, 1).total > 0


@torch.no_grad()
def test_batches_and_caches_write_the_same(model):
    prompts = [[1, 2, 3], [4], list(range(9))]
    together = generate(model, prompts, max_new_tokens=5)
    assert together == [generate(model, [p], max_new_tokens=5)[0] for p in prompts]
    naive = list(itertools.islice(decode_naive(model, prompts[0], 5), 5))
    assert naive == together[0]
    if model.config.latent is None:
        assert list(itertools.islice(decode_cached(model, prompts[0], 5), 5)) == naive
    else:
        with pytest.raises(ValueError, match="latent attention keeps other shapes"):
            list(decode_cached(model, prompts[0], 5))


def test_the_fast_step_is_equal_or_says_what_it_does_not_know(model):
    config = model.config
    known = config.position == "rope" and config.mlp != "moe" and config.latent is None
    if known and config.sliding_window is None:
        fast = fast_loss(model, fast_config(torch.device("cpu"), 40), TOKENS, TOKENS)
        slow = cross_entropy(model(TOKENS), TOKENS) * TOKENS.numel()
        torch.testing.assert_close(fast, slow)
        return
    with pytest.raises(ValueError, match="the fast step knows"):
        fast_loss(model, fast_config(torch.device("cpu"), 40), TOKENS, TOKENS)
