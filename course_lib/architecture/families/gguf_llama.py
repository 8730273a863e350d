"""A Llama in a GGUF file: its decoder, and its tokenizer as `tokenizer.json` has it.

Deviations of the file from `transformers`' layout: names (`blk.0.attn_q.weight`), and the rows of
W_q and W_k, which llama.cpp keeps interleaved: RoPE turns neighbours there, halves here. Tied
weights are those of a file without `output.weight`.
"""

from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.gguf import GGUF
from course_lib.architecture.positions import half_split_permutation

SIZES = {
    "d_model": "embedding_length",
    "n_layers": "block_count",
    "n_heads": "attention.head_count",
    "d_ff": "feed_forward_length",
    "max_seq": "context_length",
    "norm_eps": "attention.layer_norm_rms_epsilon",
}
OPTIONAL = {
    "n_kv_heads": "attention.head_count_kv",
    "head_size": "attention.key_length",
    "rope_theta": "rope.freq_base",
}
FRACTIONS = ("norm_eps", "rope_theta")
PARTS = {
    "attention_norm": "attn_norm",
    "mlp_norm": "ffn_norm",
    "attention.out": "attn_output",
    "mlp.gate": "ffn_gate",
    "mlp.up": "ffn_up",
    "mlp.down": "ffn_down",
}
# What cuts the text before any merge, by the name that the file gives it.
BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
SINGLE_DIGITS = {"type": "Digits", "individual_digits": True}
CUTS = {
    "gpt-2": BYTE_LEVEL,
    "smollm": {"type": "Sequence", "pretokenizers": [SINGLE_DIGITS, BYTE_LEVEL]},
}
CONTROL, USER_DEFINED = 3, 4  # of tokenizer.ggml.token_type


def config_of(file: GGUF) -> ModelConfig:
    """The sizes that the metadata names. Raises ValueError for what is no plain Llama."""
    kind = _needed(file, "general.architecture", str)
    if kind != "llama":
        raise ValueError(f"{file.path}: general.architecture is {kind!r}, expected 'llama'")
    scaling = file.metadata.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise ValueError(f"{file.path}: llama.rope.scaling.type is {scaling!r}, expected 'none'")
    if file.metadata.get("llama.expert_count", 0):
        raise ValueError(f"{file.path}: llama.expert_count is not 0: its experts aren't covered")
    sizes = {ours: _number(file, ours, f"llama.{theirs}") for ours, theirs in SIZES.items()}
    sizes |= {"n_kv_heads": sizes["n_heads"]}
    for ours, theirs in OPTIONAL.items():
        if file.metadata.get(f"llama.{theirs}") is not None:
            sizes[ours] = _number(file, ours, f"llama.{theirs}")
    for name in FRACTIONS:  # 1e-5 was stored in float32: the shortest that is it
        if name in sizes:
            sizes[name] = float(str(np.float32(sizes[name])))
    if "head_size" in sizes and sizes["head_size"] * sizes["n_heads"] == sizes["d_model"]:
        del sizes["head_size"]
    vocab = file.tensors["token_embd.weight"].shape[0] if "token_embd.weight" in file.tensors else 0
    try:
        config = ModelConfig(vocab_size=vocab, tied="output.weight" not in file.tensors, **sizes)
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{file.path}: {error}") from error
    turned = file.metadata.get("llama.rope.dimension_count", config.d_head)
    if turned != config.d_head:
        raise ValueError(
            f"{file.path}: llama.rope.dimension_count is {turned}, expected the whole head, "
            f"{config.d_head}"
        )
    return config


def decoder_of(file: GGUF) -> Decoder:
    """The decoder with the file's weights in float32, in eval mode.

    Raises ValueError for a tensor that is missing, too many (as the `rope_freqs` of a stretched
    RoPE) or of another shape.
    """
    config = config_of(file)
    _require_last_block(config, file)
    weights: dict[str, Tensor] = {}
    links = dict(_links(config))
    known = {name for names in links.values() for name in names}
    unknown = sorted(file.tensors.keys() - known)
    missing = sorted(known - file.tensors.keys())
    if unknown or missing:
        raise ValueError(
            f"{file.path}: no Llama of ours: tensors too many {unknown[:3]}, missing {missing[:3]}"
        )
    model = _empty(config, file)
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    for ours, names in links.items():
        tensors = [file.tensor(name) for name in names]
        if len(tensors) == 3:
            tensors[0] = _half_split(tensors[0], config.d_head)
            tensors[1] = _half_split(tensors[1], config.d_head)
        weights[ours] = torch.cat(tensors) if len(tensors) > 1 else tensors[0]
        if weights[ours].shape != shapes[ours]:
            raise ValueError(
                f"{file.path}: {' and '.join(names)} make {tuple(weights[ours].shape)}, expected "
                f"{tuple(shapes[ours])}, as the metadata's sizes have it"
            )
    model.load_state_dict(weights)
    return model.eval()


def tokenizer_json(file: GGUF) -> dict:
    """The tokenizer in the format of `tokenizers`. Raises ValueError for one that isn't BPE."""
    kind = _needed(file, "tokenizer.ggml.model", str)
    cut = _needed(file, "tokenizer.ggml.pre", str)
    if kind != "gpt2" or cut not in CUTS:
        raise ValueError(
            f"{file.path}: tokenizer.ggml.model is {kind!r} and .pre {cut!r}, expected 'gpt2' "
            f"(byte-level BPE) and one of {', '.join(CUTS)}"
        )
    tokens, merges = _texts(file, "tokenizer.ggml.tokens"), _texts(file, "tokenizer.ggml.merges")
    kinds = file.metadata.get("tokenizer.ggml.token_type", [1] * len(tokens))
    if not isinstance(kinds, list) or len(kinds) != len(tokens):
        raise ValueError(f"{file.path}: tokenizer.ggml.token_type, expected {len(tokens)} numbers")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        {"id": i, "content": token, **flags, "special": kind == CONTROL}
        for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind in (CONTROL, USER_DEFINED)
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": CUTS[cut],
        "post_processor": None,
        "decoder": BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [merge.split(" ", 1) for merge in merges],
        },
    }


def tokenizer_config(file: GGUF) -> dict:
    """What `transformers` keeps beside it: the roles of the special tokens and the template."""
    tokens = _texts(file, "tokenizer.ggml.tokens")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": _needed(file, "llama.context_length", int),
    }
    for role, name in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        entry = f"tokenizer.ggml.{name}_token_id"
        if entry in file.metadata:
            token = _needed(file, entry, int)
            if not 0 <= token < len(tokens):
                raise ValueError(f"{file.path}: {entry} is {token}, expected a token's id")
            config[f"{role}_token"] = tokens[token]
    if "tokenizer.chat_template" in file.metadata:
        config["chat_template"] = file.metadata["tokenizer.chat_template"]
    return config


def _require_last_block(config: ModelConfig, file: GGUF) -> None:
    """Before anything is made for each block that the metadata claims."""
    if f"blk.{config.n_layers - 1}.attn_q.weight" not in file.tensors:
        raise ValueError(
            f"{file.path}: llama.block_count is {config.n_layers}, more than there are"
        )


def _empty(config: ModelConfig, file: GGUF) -> Decoder:
    try:
        return Decoder(config)
    except (ValueError, RuntimeError, ArithmeticError) as error:  # as more than memory holds
        raise ValueError(f"{file.path}: {' '.join(str(error).split())}") from error


def _needed(file: GGUF, name: str, kind: type) -> Any:
    if name not in file.metadata:
        raise ValueError(f"{file.path}: no metadata {name!r}")
    value = file.metadata[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{file.path}: {name} is {str(value)[:40]!r}, expected {kind.__name__}")
    return value


def _number(file: GGUF, ours: str, theirs: str) -> int | float:
    return _needed(file, theirs, float if ours in FRACTIONS else int)


def _texts(file: GGUF, name: str) -> list[str]:
    values = _needed(file, name, list)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{file.path}: {name} holds {type(values[0]).__name__}, expected texts")
    return values


def _links(config: ModelConfig) -> list[tuple[str, list[str]]]:
    """Our name of each weight, and theirs: one, or the three of the attention's input."""
    links = [("embed.weight", ["token_embd.weight"]), ("norm.weight", ["output_norm.weight"])]
    for i in range(config.n_layers):
        three = [f"blk.{i}.attn_{letter}.weight" for letter in "qkv"]
        links.append((f"blocks.{i}.attention.qkv.weight", three))
        for ours, theirs in PARTS.items():
            links.append((f"blocks.{i}.{ours}.weight", [f"blk.{i}.{theirs}.weight"]))
    return links if config.tied else [*links, ("head.weight", ["output.weight"])]


def _half_split(weight: Tensor, d_head: int) -> Tensor:
    """The rows of each head as our RoPE pairs them."""
    if weight.shape[0] % d_head:
        return weight  # its shape is refused with its name
    heads = rearrange(weight, "(h d) d_in -> h d d_in", d=d_head)
    return rearrange(heads[:, half_split_permutation(d_head)], "h d d_in -> (h d) d_in")
