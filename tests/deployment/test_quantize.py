"""Rounding worked by hand, its error bound, and a model that survives the disk."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.presets import deepseek
from course_lib.deployment.kv_cache import StaticCache
from course_lib.deployment.quantize import (
    QuantizedLinear,
    dequantize,
    largest_code,
    load_quantized,
    quantize_model,
    quantize_rows,
    quantize_tensor,
    save_quantized,
    size_bytes,
)


def test_by_hand():
    codes, scale = quantize_rows(torch.tensor([[1.0, -3.5, 7.0], [0.0, 0.0, 0.0]]), bits=4)
    assert scale.tolist() == [1.0, 1.0]  # 7 / 7, and the row of zeros
    assert codes.tolist() == [[1, -4, 7], [0, 0, 0]]  # −3.5 rounds to the even −4


@settings(deadline=None)
@given(bits=st.integers(2, 8), seed=st.integers(0, 50))
def test_error_is_at_most_half_a_step_and_the_largest_is_exact(bits, seed):
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 40, generator=g) * torch.logspace(-4, 3, 6)[:, None]
    codes, scale = quantize_rows(weight, bits)
    error = (dequantize(codes, scale) - weight).abs()
    assert bool((error <= scale[:, None] * 0.5001).all())
    assert int(codes.abs().max()) == largest_code(bits)
    biggest = weight.abs().argmax(1, keepdim=True)
    assert torch.allclose(
        dequantize(codes, scale).gather(1, biggest), weight.gather(1, biggest), rtol=1e-5
    )


def test_one_scale_for_all_loses_the_small_rows():
    weight = torch.randn(8, 64) * torch.logspace(-3, 0, 8)[:, None]
    rows, whole = quantize_rows(weight), quantize_tensor(weight)
    assert (dequantize(*rows)[0] - weight[0]).norm() < 0.01 * weight[0].norm()
    assert (dequantize(*whole)[0] - weight[0]).norm() > 0.5 * weight[0].norm()


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_are_checked(bits):
    with pytest.raises(ValueError, match=f"bits is {bits}, expected 2 to 8"):
        quantize_rows(torch.ones(2, 2), bits)


def test_layer_equals_its_own_weight():
    layer = QuantizedLinear(*quantize_rows(torch.randn(5, 12)))
    x = torch.randn(3, 2, 12)
    assert torch.allclose(layer(x), x @ layer.weight.T, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_model_is_int8_close_and_four_times_smaller(tied):
    config = ModelConfig(vocab_size=300, d_model=64, n_layers=2, d_ff=128, tied=tied)
    model = Decoder(config, generator=torch.Generator().manual_seed(0)).eval()
    small = quantize_model(model)
    kinds = {t.dtype for name, t in small.state_dict().items() if name.endswith("codes")}
    assert kinds == {torch.int8}
    assert not any(type(m) in (torch.nn.Linear, torch.nn.Embedding) for m in small.modules())
    assert 3.5 < size_bytes(model) / size_bytes(small) < 4
    tokens = torch.randint(300, (2, 30))
    with torch.inference_mode():
        want, got = model(tokens), small(tokens)
    assert (want - got).norm() < 0.03 * want.norm()
    assert not torch.equal(want, got)
    assert type(model.blocks[0].mlp.up) is torch.nn.Linear  # the original is left alone


def test_saved_and_loaded_gives_the_same_bits(model, tmp_path):
    small = quantize_model(model)
    save_quantized(small, tmp_path)
    again = load_quantized(tmp_path)
    tokens = torch.randint(4, 200, (2, 30))
    with torch.inference_mode():
        assert torch.equal(small(tokens), again(tokens))
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "config.json"}
    # the file is as small as promised, but for its header
    assert (tmp_path / "model.safetensors").stat().st_size < size_bytes(small) + 5_000


def test_other_formats_are_refused_by_name(model, tmp_path):
    save_quantized(quantize_model(model), tmp_path)
    about = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(about | {"format": "gguf"}))
    with pytest.raises(ValueError, match="format 'gguf', expected 'course rows 1'"):
        load_quantized(tmp_path)


def test_biases_and_latents_are_refused_by_name():
    biased = Decoder(ModelConfig(vocab_size=20, bias=True))
    with pytest.raises(ValueError, match="blocks.0.attention.qkv has a bias, expected none"):
        quantize_model(biased)
    with pytest.raises(ValueError, match="expected a GrowingCache"):
        StaticCache.of(deepseek(vocab_size=20))
