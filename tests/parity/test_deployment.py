"""Our cache, sampling and quantisation against transformers and torch's own kernels."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import to_llama
from course_lib.deployment.kv_cache import StaticCache, decode_cached, decode_naive
from course_lib.deployment.quantize import (
    QuantizedLinear,
    dequantize,
    largest_code,
    quantize_rows,
)

CONFIG = ModelConfig(vocab_size=200, d_model=64, n_layers=3, n_heads=4, n_kv_heads=2, d_ff=96)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ModelConfig(**{**CONFIG.to_dict(), "tied": False})
    model = Decoder(config, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3) if weight.ndim == 2 else None
    return model


def test_cached_logits_equal_the_whole_text(model, parity):
    tokens = torch.randint(200, (2, 60))
    with torch.inference_mode():
        whole = model(tokens)
        cache = StaticCache.of(model.config, batch=2)
        parts = [model(tokens[:, a:b], cache=cache) for a, b in ((0, 17), (17, 18), (18, 60))]
    parity(
        stem="deployment",
        ours="deployment.kv_cache.StaticCache",
        reference="no cache",
        error=(torch.cat(parts, 1) - whole).abs().max(),
        tolerance=1e-4,
        note="logits up to 4, fp32, 60 tokens in pieces of 17, 1 and 42",
    )


def test_cached_decoding_equals_transformers(model, parity):
    prompt = list(range(5, 25))
    ours = list(decode_cached(model, prompt, 60))
    llama = to_llama(model)
    out = llama.generate(
        torch.tensor([prompt]),
        max_new_tokens=60,
        do_sample=False,
        pad_token_id=0,
        cache_implementation="static",
    )
    theirs = out[0, len(prompt) :].tolist()
    naive = list(decode_naive(model, prompt, 60))
    for name, other in {
        "deployment.kv_cache.decode_naive": naive,
        "transformers generate(cache_implementation='static')": theirs,
    }.items():
        parity(
            stem="deployment",
            ours="deployment.kv_cache.decode_cached",
            reference=name,
            error=sum(a != b for a, b in zip(ours, other, strict=True)),
            tolerance=0,
            note="60 greedy tokens, fp32: how many differ",
        )
    assert len(set(ours)) > 10


@pytest.mark.parametrize("bits", [8, 4, 3])
def test_rounding_equals_torch_fake_quantize(parity, bits):
    weight = torch.randn(96, 130) * torch.logspace(-3, 1, 96)[:, None]
    codes, scale = quantize_rows(weight, bits)
    most = largest_code(bits)
    theirs = torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros(96, dtype=torch.int32), 0, -most, most
    )
    # torch multiplies by 1 / scale, so a value on the edge between two codes may fall otherwise
    steps = ((dequantize(codes, scale) - theirs) / scale[:, None]).abs()
    parity(
        stem="deployment",
        ours="deployment.quantize.quantize_rows",
        reference="torch.fake_quantize_per_channel_affine",
        error=(steps > 0.5).float().mean(),
        tolerance=1e-4,
        note=f"{bits} bits: share of {weight.numel()} weights with another code",
    )


def test_int8_product_equals_torch_kernel(parity):
    layer = QuantizedLinear(*quantize_rows(torch.randn(96, 128) / 11))
    x = torch.randn(40, 128)
    theirs = torch._weight_int8pack_mm(x, layer.codes, layer.scale)
    parity(
        stem="deployment",
        ours="deployment.quantize.QuantizedLinear",
        reference="torch._weight_int8pack_mm",
        error=(layer(x) - theirs).abs().max(),
        tolerance=1e-5,
        note="x Wᵀ with int8 weights, fp32 activations",
    )
