"""Sizes and choices of a decoder in the names of `transformers`, both ways."""

from transformers import (
    DeepseekV3Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    PreTrainedConfig,
    Qwen3Config,
)

from course_lib.architecture.config import Latent, ModelConfig
from course_lib.architecture.families.presets import PRESETS, family_of

FAMILY_OF_TYPE = {
    "gpt2": "gpt2",
    "llama": "llama",
    "mistral": "mistral",
    "mixtral": "mixtral",
    "qwen3": "qwen3",
    "deepseek_v3": "deepseek",
}
LATENT_EPS = 1e-6  # DeepSeek's norms of latents take no other, whatever rms_norm_eps says
# Ours and theirs, for every family but GPT-2.
NAMES = {
    "vocab_size": "vocab_size",
    "d_model": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "d_ff": "intermediate_size",
    "max_seq": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
}
GPT2_NAMES = {
    "vocab_size": "vocab_size",
    "d_model": "n_embd",
    "n_layers": "n_layer",
    "n_heads": "n_head",
    "d_ff": "n_inner",
    "max_seq": "n_positions",
    "norm_eps": "layer_norm_epsilon",
    "tied": "tie_word_embeddings",
}
LATENT_NAMES = {
    "kv_rank": "kv_lora_rank",
    "q_rank": "q_lora_rank",
    "d_nope": "qk_nope_head_dim",
    "d_rope": "qk_rope_head_dim",
    "d_value": "v_head_dim",
}
# What theirs must say for ours to compute the same.
DEMANDS = {
    "gpt2": {
        "activation_function": "gelu_new",
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
    },
    "llama": {"attention_bias": False, "mlp_bias": False, "hidden_act": "silu"},
    "mistral": {"hidden_act": "silu"},
    "mixtral": {"hidden_act": "silu"},
    "qwen3": {"attention_bias": False, "hidden_act": "silu", "use_sliding_window": False},
    "deepseek": {
        "attention_bias": False,
        "hidden_act": "silu",
        "rms_norm_eps": LATENT_EPS,
        "rope_interleave": True,
    },
}


def their_config(config: ModelConfig, eos_id: int | None = None) -> PreTrainedConfig:
    """The config of the family's class in `transformers`. `eos_id` ends and pads its `generate`."""
    family = family_of(config)
    ids = {"bos_token_id": None, "eos_token_id": eos_id, "pad_token_id": eos_id}
    if family == "gpt2":
        if config.n_kv_heads != config.n_heads or config.head_size is not None:
            raise ValueError(
                f"n_kv_heads is {config.n_kv_heads} and head_size {config.head_size}, expected "
                f"{config.n_heads} and None: GPT-2 has neither"
            )
        return GPT2Config(**_renamed(config, GPT2_NAMES), **ids)
    shared = _renamed(config, NAMES) | ids
    shared["rope_parameters"] = {"rope_type": "default", "rope_theta": config.rope_theta}
    if family == "deepseek":
        return _deepseek_config(config, shared)
    shared["head_dim"] = config.d_head
    if family == "mixtral":
        experts = {"num_local_experts": config.n_experts, "num_experts_per_tok": config.top_k}
        return MixtralConfig(sliding_window=config.sliding_window, **experts, **shared)
    if family == "mistral":
        return MistralConfig(sliding_window=config.sliding_window, **shared)
    if config.sliding_window is not None:
        raise ValueError(f"sliding_window is {config.sliding_window}, expected None for {family}")
    return (Qwen3Config if family == "qwen3" else LlamaConfig)(**shared)


def our_config(theirs: PreTrainedConfig) -> ModelConfig:
    """Raises ValueError for a family that we don't have, or a choice of it that we don't."""
    family = FAMILY_OF_TYPE.get(theirs.model_type)
    if family is None:
        raise ValueError(
            f"model_type is {theirs.model_type!r}, expected one of {', '.join(FAMILY_OF_TYPE)}"
        )
    for name, wanted in DEMANDS[family].items():
        if getattr(theirs, name) != wanted:
            raise ValueError(
                f"{theirs.model_type}: {name} is {getattr(theirs, name)!r}, expected {wanted!r}"
            )
    if family == "gpt2":
        sizes = {ours: getattr(theirs, name) for ours, name in GPT2_NAMES.items()}
        sizes["d_ff"] = sizes["d_ff"] or 4 * theirs.n_embd
        return PRESETS["gpt2"](**sizes)
    sizes = {ours: getattr(theirs, name) for ours, name in NAMES.items()}
    sizes["rope_theta"] = _rope_theta(theirs)
    if family == "deepseek":
        return _from_deepseek(theirs, sizes)
    even = theirs.hidden_size / theirs.num_attention_heads
    head_dim = getattr(theirs, "head_dim", None)
    sizes["head_size"] = None if head_dim in (None, even) else head_dim
    if family == "mixtral":
        sizes |= {"n_experts": theirs.num_local_experts, "top_k": theirs.num_experts_per_tok}
    if family in ("mistral", "mixtral"):
        sizes["sliding_window"] = theirs.sliding_window
    return PRESETS[family](**sizes)


def _renamed(config: ModelConfig | Latent, names: dict[str, str]) -> dict:
    return {theirs: getattr(config, ours) for ours, theirs in names.items()}


def _rope_theta(theirs: PreTrainedConfig) -> float:
    rope = theirs.rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise ValueError(f"rope_type is {rope['rope_type']!r}, expected 'default'")
    return rope["rope_theta"]


def _deepseek_config(config: ModelConfig, shared: dict) -> DeepseekV3Config:
    """Dense blocks throughout; no multi-token prediction, which `generate` alone would use."""
    if config.norm_eps != LATENT_EPS or config.sliding_window is not None or config.mlp == "moe":
        raise ValueError(
            f"norm_eps is {config.norm_eps}, sliding_window {config.sliding_window}, mlp "
            f"{config.mlp!r}; expected {LATENT_EPS}, None, 'swiglu'"
        )
    return DeepseekV3Config(
        **_renamed(config.latent, LATENT_NAMES),
        first_k_dense_replace=config.n_layers,
        num_nextn_predict_layers=0,
        rope_interleave=True,
        **shared,
    )


def _from_deepseek(theirs: DeepseekV3Config, sizes: dict) -> ModelConfig:
    if theirs.first_k_dense_replace < theirs.num_hidden_layers:
        raise ValueError(
            f"first_k_dense_replace is {theirs.first_k_dense_replace}, expected at least "
            f"{theirs.num_hidden_layers}: DeepSeek's mixture of experts is not covered"
        )
    latent = Latent(**{ours: getattr(theirs, name) for ours, name in LATENT_NAMES.items()})
    return PRESETS["deepseek"](latent=latent, **sizes)
