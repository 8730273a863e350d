"""Folders that we can't have are refused in one line that names what is there."""

import contextlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    LlamaModel,
)

from course_lib.architecture.config import Latent
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.folders import load_folder
from course_lib.architecture.families.interop import to_transformers
from course_lib.architecture.families.presets import deepseek, gpt2, mixtral

MODEL = ModelConfig(vocab_size=40, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=24)
SIZES = {"vocab_size": 40, "d_model": 16, "n_layers": 2, "n_heads": 2, "d_ff": 24}
OTHERS = {
    "gpt2": gpt2(**SIZES),
    "mixtral": mixtral(n_experts=4, top_k=2, **SIZES),
    "deepseek": deepseek(
        latent=Latent(kv_rank=8, q_rank=8, d_nope=8, d_rope=4, d_value=8), norm_eps=1e-6, **SIZES
    ),
}
HF = LlamaConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=1,
    num_attention_heads=2,
    pad_token_id=0,
)


@pytest.fixture
def folder(tmp_path):
    to_transformers(Decoder(MODEL)).save_pretrained(tmp_path)
    return tmp_path


def change_config(folder, **fields) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}, "linear"),
        (
            {
                "rope_parameters": {
                    "rope_type": "llama3",
                    "rope_theta": 1e4,
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 64,
                }
            },
            "llama3",
        ),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"]}, "Gemma2ForCausalLM"),
        ({"model_type": "nothing_known"}, "nothing_known"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"hidden_size": 32}, "expected"),
        ({"num_hidden_layers": 3}, "missing"),
        ({"num_hidden_layers": 1}, "too many"),
        ({"num_attention_heads": 0}, "num_attention_heads|integer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_that_we_do_not_have(folder, fields, named):
    change_config(folder, **fields)
    with pytest.raises(ValueError, match=named) as caught:
        load_folder(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("value", [None, "x", 5, -1, [1], {"rope_type": "llama3"}], ids=str)
def test_nonsense_in_any_field_is_a_value_error_of_one_line(folder, value):
    file = folder / "config.json"
    whole = json.loads(file.read_text())
    refused = 0
    for field in [*whole, "quantization_config", "rope_scaling"]:
        file.write_text(json.dumps(whole | {field: value}))
        try:
            load_folder(folder)
        except ValueError as error:
            refused += 1
            assert str(folder) in str(error) and "\n" not in str(error)
    assert refused > 5


@pytest.mark.parametrize("name", OTHERS)
def test_a_field_that_is_missing_is_a_value_error(name, tmp_path):
    to_transformers(Decoder(OTHERS[name])).save_pretrained(tmp_path)
    whole = json.loads((tmp_path / "config.json").read_text())
    for field in whole:
        fields = {key: value for key, value in whole.items() if key != field}
        (tmp_path / "config.json").write_text(json.dumps(fields))
        with contextlib.suppress(ValueError):  # others have a default
            load_folder(tmp_path)


@pytest.mark.parametrize("kind", [LlamaModel, LlamaForSequenceClassification])
def test_a_class_without_a_language_models_head(kind, tmp_path):
    kind(HF).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=kind.__name__):
        load_folder(tmp_path)


def test_another_kind_of_model(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=40, intermediate_size=24, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="BertModel"):
        load_folder(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"[1, 2]", b"\x80\x04abc"])
def test_a_file_that_is_missing_or_something_else(folder, name, content):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=str(folder)):
        load_folder(folder)


def test_a_folder_with_pickles_alone_is_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="safetensors"):
        load_folder(folder)


@pytest.mark.parametrize("index", [{}, [], {"weight_map": []}, {"weight_map": {"a": 3}}])
def test_an_index_of_another_form(folder, index):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="expected a weight_map"):
        load_folder(folder)


def test_an_index_names_no_file_outside(folder):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="elsewhere"):
        load_folder(folder)


def test_integer_weights_are_no_weights(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(16, dtype=torch.int8)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match="int8"):
        load_folder(folder)


def test_gpt2s_first_files_have_no_prefix(tmp_path):
    model = Decoder(gpt2(vocab_size=40, d_model=16, n_layers=1, n_heads=2, d_ff=24, max_seq=32))
    to_transformers(model).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    old = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    save_file(old | {"h.0.attn.bias": torch.ones(1, 1, 32, 32)}, tmp_path / "model.safetensors")
    again = load_folder(tmp_path)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
