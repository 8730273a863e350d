"""A model by its path: the same one from a folder and from a GGUF file, with its tokenizer."""

import dataclasses
import json
import math

import gguf
import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.gguf import GGUF, read_gguf
from course_lib.architecture.families.gguf_llama import (
    PARTS,
    decoder_of,
    tokenizer_config,
    tokenizer_json,
)
from course_lib.architecture.families.interop import to_transformers
from course_lib.architecture.positions import half_split_permutation
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.deployment.chat.open_model import open_model

TOKENIZER = Tokenizer([(104, 105)])  # h, i
NONSENSE = (None, 0, -1, 3, "x", 2.5, math.nan, [], [1], True, 4096)
CONFIG = ModelConfig(
    vocab_size=TOKENIZER.vocab_size, d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=64
)


def folder_of(model: Decoder, path):
    to_transformers(model).save_pretrained(path)
    TOKENIZER.to_transformers().save_pretrained(path)
    return path


def gguf_of(model: Decoder, path):
    """As llama.cpp's converter writes it: rows of queries and keys in pairs that RoPE turns."""
    c, weights = model.config, {name: w.numpy() for name, w in model.state_dict().items()}
    hub = json.loads(TOKENIZER.to_transformers().backend_tokenizer.to_str())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(c.max_seq)
    writer.add_embedding_length(c.d_model)
    writer.add_block_count(c.n_layers)
    writer.add_feed_forward_length(c.d_ff)
    writer.add_head_count(c.n_heads)
    writer.add_head_count_kv(c.n_kv_heads)
    writer.add_layer_norm_rms_eps(c.norm_eps)
    writer.add_rope_freq_base(c.rope_theta)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    special = {one["content"]: one["id"] for one in hub["added_tokens"]}
    ids = hub["model"]["vocab"] | special
    tokens = sorted(ids, key=ids.get)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in hub["model"]["merges"]])
    writer.add_tensor("token_embd.weight", weights["embed.weight"])
    writer.add_tensor("output_norm.weight", weights["norm.weight"])
    if not c.tied:
        writer.add_tensor("output.weight", weights["head.weight"])
    pairs = half_split_permutation(c.d_head).argsort().numpy()
    sizes = (c.n_heads, c.n_heads + c.n_kv_heads)
    for i in range(c.n_layers):
        qkv = weights[f"blocks.{i}.attention.qkv.weight"].reshape(-1, c.d_head, c.d_model)
        q, k, v = qkv[: sizes[0]], qkv[sizes[0] : sizes[1]], qkv[sizes[1] :]
        for letter, part in (("q", q[:, pairs]), ("k", k[:, pairs]), ("v", v)):
            writer.add_tensor(f"blk.{i}.attn_{letter}.weight", part.reshape(-1, c.d_model).copy())
        for ours, theirs in PARTS.items():
            writer.add_tensor(f"blk.{i}.{theirs}.weight", weights[f"blocks.{i}.{ours}.weight"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("form", ["folder", "gguf"])
def test_the_same_model_comes_back(form, tied, tmp_path):
    torch.manual_seed(0)
    model = Decoder(ModelConfig(**{**vars(CONFIG), "tied": tied}))
    path = folder_of(model, tmp_path) if form == "folder" else gguf_of(model, tmp_path / "a.gguf")
    again, tokenizer = open_model(path)
    assert not again.training
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    text = "hi there, été 12"
    assert tokenizer.encode(text) == TOKENIZER.encode(text)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> GGUF:
    return read_gguf(gguf_of(Decoder(CONFIG), tmp_path_factory.mktemp("gguf") / "a.gguf"))


@pytest.mark.parametrize("value", NONSENSE, ids=str)
def test_metadata_of_nonsense_is_refused_with_the_files_name(file, value):
    refused = 0
    for name in [*file.metadata, "llama.attention.key_length", "tokenizer.ggml.eos_token_id"]:
        changed = dataclasses.replace(file, metadata=file.metadata | {name: value})
        for read in (decoder_of, tokenizer_json, tokenizer_config):
            try:
                read(changed)
            except ValueError as error:
                refused += 1
                assert str(file.path) in str(error) and "\n" not in str(error)
    assert refused > 9


def test_a_tokenizer_of_another_model(tmp_path):
    smaller = ModelConfig(**{**vars(CONFIG), "vocab_size": 40})
    with pytest.raises(ValueError, match="less than the 40"):
        open_model(folder_of(Decoder(smaller), tmp_path))


@pytest.mark.parametrize("name", ["nowhere", "nowhere.gguf", "model.bin"])
def test_what_is_neither_is_refused(name, tmp_path):
    (tmp_path / "model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(ValueError, match=r"expected a folder of transformers or a \.gguf file"):
        open_model(tmp_path / name)


def test_a_folder_without_a_tokenizer(tmp_path):
    to_transformers(Decoder(CONFIG)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        open_model(tmp_path)
