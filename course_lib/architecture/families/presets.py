"""The families of decoders, as what each chooses differently from the defaults of `ModelConfig`.

Each preset is small unless you say otherwise: `mistral(d_model=4096, ...)` takes any field of the
config. What a family fixes is in `FAMILIES`; everything else is size.
"""

from course_lib.architecture.config import CHOICES, Latent, ModelConfig

FAMILIES: dict[str, dict[str, object]] = {
    "gpt2": {"norm": "layer", "position": "learned", "mlp": "gelu", "bias": True},
    "llama": {},
    "mistral": {},
    "mixtral": {"mlp": "moe"},
    "qwen3": {"qk_norm": True},
    "deepseek": {},
}
FIXED = (*CHOICES, "qk_norm", "bias")  # the fields that a family fixes


def gpt2(*, vocab_size: int, n_heads: int = 4, **sizes) -> ModelConfig:
    """Learned positions, LayerNorm, GELU, a bias everywhere, every head its own keys.

    Radford et al. 2019, section 2.3.
    """
    given = {"n_kv_heads": n_heads, "d_ff": 512} | sizes
    return ModelConfig(vocab_size=vocab_size, n_heads=n_heads, **FAMILIES["gpt2"] | given)


def llama(*, vocab_size: int, **sizes) -> ModelConfig:
    """RoPE, RMSNorm, SwiGLU, no biases (Touvron et al. 2023), grouped queries as in Llama 3."""
    return ModelConfig(vocab_size=vocab_size, **sizes)


def mistral(*, vocab_size: int, sliding_window: int = 32, **sizes) -> ModelConfig:
    """Llama with a sliding window (Jiang et al. 2023, section 2)."""
    return ModelConfig(vocab_size=vocab_size, sliding_window=sliding_window, **sizes)


def mixtral(*, vocab_size: int, n_experts: int = 8, top_k: int = 2, **sizes) -> ModelConfig:
    """Llama with `top_k` of `n_experts` SwiGLU blocks a token (Jiang et al. 2024, section 2)."""
    experts = {"n_experts": n_experts, "top_k": top_k}
    return ModelConfig(vocab_size=vocab_size, **FAMILIES["mixtral"] | experts | sizes)


def qwen3(*, vocab_size: int, head_size: int | None = 48, **sizes) -> ModelConfig:
    """Llama with normalised queries and keys, and heads of a size of their own.

    Yang et al. 2025 (Qwen3), section 2. At the published sizes a head has 128 numbers, whatever
    d_model / n_heads is.
    """
    return ModelConfig(vocab_size=vocab_size, head_size=head_size, **FAMILIES["qwen3"] | sizes)


def deepseek(
    *, vocab_size: int, n_heads: int = 4, latent: Latent | None = None, **sizes
) -> ModelConfig:
    """Llama with multi-head latent attention (DeepSeek-AI 2024, section 2.1).

    Not covered: DeepSeek's own mixture of experts (shared experts, sigmoid router). `mlp="moe"`
    gives Mixtral's.
    """
    latent = latent or Latent(kv_rank=48, q_rank=64, d_nope=32, d_rope=16, d_value=32)
    given = {"n_kv_heads": n_heads, "norm_eps": 1e-6} | sizes
    return ModelConfig(vocab_size=vocab_size, n_heads=n_heads, latent=latent, **given)


PRESETS = {
    "gpt2": gpt2,
    "llama": llama,
    "mistral": mistral,
    "mixtral": mixtral,
    "qwen3": qwen3,
    "deepseek": deepseek,
}


def family_of(config: ModelConfig) -> str:
    """The family that a config belongs to. Raises ValueError where it belongs to none."""
    if config.latent is not None:
        name = "deepseek"
    elif config.mlp == "moe":
        name = "mixtral"
    elif config.qk_norm:
        name = "qwen3"
    elif config.position == "learned":
        name = "gpt2"
    else:
        name = "llama" if config.sliding_window is None else "mistral"
    llama_like = ModelConfig(vocab_size=1)
    for field in FIXED:
        wanted = FAMILIES[name].get(field, getattr(llama_like, field))
        if getattr(config, field) != wanted:
            raise ValueError(
                f"{field} is {getattr(config, field)!r}, expected {wanted!r}, which the nearest "
                f"family, {name}, has: no published family combines these"
            )
    return name
