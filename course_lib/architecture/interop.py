"""Copy weights between our decoder and `transformers.LlamaForCausalLM`.

The two compute the same function; only names differ, and that we keep queries, keys and values in
one matrix. Both directions copy, so that training one leaves the other alone.
"""

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from course_lib.architecture.model import Decoder, ModelConfig

OUTSIDE = {"embed.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"}
INSIDE = {
    "attention_norm.weight": "input_layernorm.weight",
    "attention.out.weight": "self_attn.o_proj.weight",
    "mlp_norm.weight": "post_attention_layernorm.weight",
    "mlp.gate.weight": "mlp.gate_proj.weight",
    "mlp.up.weight": "mlp.up_proj.weight",
    "mlp.down.weight": "mlp.down_proj.weight",
}


def llama_config(config: ModelConfig, eos_id: int | None = None) -> LlamaConfig:
    """Our sizes in the names of `transformers`. `eos_id` ends and pads its `generate`."""
    if config.sliding_window is not None:
        raise ValueError(
            f"sliding_window is {config.sliding_window}, expected None: Llama has no window "
            "(MistralForCausalLM takes the same weights and has one)"
        )
    return LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.d_model,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        num_key_value_heads=config.n_kv_heads,
        intermediate_size=config.d_ff,
        max_position_embeddings=config.max_seq,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        rms_norm_eps=config.norm_eps,
        tie_word_embeddings=config.tied,
        bos_token_id=None,
        eos_token_id=eos_id,
        pad_token_id=eos_id,
    )


def to_llama(model: Decoder, *, eos_id: int | None = None) -> LlamaForCausalLM:
    """A `LlamaForCausalLM` with a copy of our weights, in eval mode, on the same device."""
    llama = LlamaForCausalLM(llama_config(model.config, eos_id))
    llama.load_state_dict(llama_weights(model), strict=not model.config.tied)
    weight = model.embed.weight
    return llama.to(device=weight.device, dtype=weight.dtype).eval()


def from_llama(llama: LlamaForCausalLM) -> Decoder:
    """Our decoder with a copy of a Llama's weights, in eval mode, on the same device."""
    theirs = llama.config
    rope_type = theirs.rope_parameters.get("rope_type", "default")
    if rope_type != "default" or theirs.attention_bias or theirs.mlp_bias:
        raise ValueError(
            f"rope_type is {rope_type!r}, attention_bias {theirs.attention_bias}, mlp_bias "
            f"{theirs.mlp_bias}; expected 'default', False, False"
        )
    config = ModelConfig(
        vocab_size=theirs.vocab_size,
        d_model=theirs.hidden_size,
        n_layers=theirs.num_hidden_layers,
        n_heads=theirs.num_attention_heads,
        n_kv_heads=theirs.num_key_value_heads,
        d_ff=theirs.intermediate_size,
        max_seq=theirs.max_position_embeddings,
        rope_theta=theirs.rope_parameters["rope_theta"],
        norm_eps=theirs.rms_norm_eps,
        tied=theirs.tie_word_embeddings,
    )
    model = Decoder(config)
    model.load_state_dict(_our_weights(llama.state_dict(), config))
    weight = llama.model.embed_tokens.weight
    return model.to(device=weight.device, dtype=weight.dtype).eval()


def llama_weights(model: Decoder) -> dict[str, Tensor]:
    """Our weights under Llama's names; `qkv` falls apart into `q_proj`, `k_proj`, `v_proj`."""
    ours, config = model.state_dict(), model.config
    theirs = {name: ours[key] for key, name in OUTSIDE.items()}
    if not config.tied:
        theirs["lm_head.weight"] = ours["head.weight"]
    sizes = [n * config.d_head for n in (config.n_heads, config.n_kv_heads, config.n_kv_heads)]
    for i in range(config.n_layers):
        for key, name in INSIDE.items():
            theirs[f"model.layers.{i}.{name}"] = ours[f"blocks.{i}.{key}"]
        parts = ours[f"blocks.{i}.attention.qkv.weight"].split(sizes)
        for letter, part in zip("qkv", parts, strict=True):
            theirs[f"model.layers.{i}.self_attn.{letter}_proj.weight"] = part
    return {name: weight.detach().clone() for name, weight in theirs.items()}


def _our_weights(theirs: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    ours = {key: theirs[name] for key, name in OUTSIDE.items()}
    if not config.tied:
        ours["head.weight"] = theirs["lm_head.weight"]
    for i in range(config.n_layers):
        for key, name in INSIDE.items():
            ours[f"blocks.{i}.{key}"] = theirs[f"model.layers.{i}.{name}"]
        parts = [theirs[f"model.layers.{i}.self_attn.{letter}_proj.weight"] for letter in "qkv"]
        ours[f"blocks.{i}.attention.qkv.weight"] = torch.cat(parts)
    return ours
