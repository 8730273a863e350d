"""What a decoder is: its sizes, and the choices that tell one family from another.

The defaults are the course's own model, which has the shape of Llama. `families` holds the choices
of GPT-2, Mistral, Mixtral, Qwen3 and DeepSeek by name.
"""

import math
from dataclasses import asdict, dataclass, fields

CHOICES = {
    "norm": ("rms", "layer"),
    "wiring": ("pre", "post", "parallel"),
    "position": ("rope", "learned", "sinusoidal", "alibi", "none"),
    "mlp": ("swiglu", "gelu", "relu2", "moe"),
}


@dataclass(frozen=True, kw_only=True)
class Latent:
    """The sizes of multi-head latent attention (DeepSeek-V2); see `latent.LatentAttention`.

    The cache keeps kv_rank + d_rope numbers a token. A head's queries and keys have d_nope numbers
    that no position turns and d_rope that RoPE does; its values have d_value. `q_rank` None makes
    queries straight from the stream.
    """

    kv_rank: int
    d_nope: int
    d_rope: int
    d_value: int
    q_rank: int | None = None


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and choices of a decoder. The defaults are Llama's choices.

    head_size: numbers a head has; None means d_model / n_heads (see `d_head`).
    sliding_window: tokens that a query sees, itself included; None means all before it.
    tied: the head shares the embedding's weights.
    wiring: "pre" adds part(norm(x)) to x, "post" takes norm(x + part(x)), "parallel" gives
        attention and feed-forward the same norm(x) and adds both.
    qk_norm: each query and key head is normalised before its position turns it.
    bias: every projection and every LayerNorm has one; the head never has.
    mlp "moe": `n_experts` SwiGLU blocks of width d_ff, `top_k` of them for each token.
    latent: sizes of latent attention, in place of grouped queries.
    """

    vocab_size: int
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int = 2
    head_size: int | None = None
    d_ff: int = 344
    max_seq: int = 256
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    sliding_window: int | None = None
    tied: bool = True
    norm: str = "rms"
    wiring: str = "pre"
    position: str = "rope"
    qk_norm: bool = False
    bias: bool = False
    mlp: str = "swiglu"
    n_experts: int = 0
    top_k: int = 0
    latent: Latent | None = None

    def __post_init__(self) -> None:
        for name, options in CHOICES.items():
            if getattr(self, name) not in options:
                wanted = ", ".join(map(repr, options))
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {wanted}")
        self._check_sizes()
        self._check_heads()
        self._check_experts()
        if self.latent is not None:
            self._check_latent(self.latent)

    @classmethod
    def from_depth(cls, depth: int, vocab_size: int, **other) -> "ModelConfig":
        """A model by one dial: from the number of layers, all its sizes follow.

        d_model = 64 depth, in heads of 64, so as many heads as layers; n_kv_heads is the largest
        divisor of them that leaves each key head three query heads or more, else 1; d_ff = 8/3
        d_model, up to a multiple of 16, which gives the gated block the weights of a plain one
        4 d_model wide (Shazeer 2020, section 2). `other`: any further field.

        Source: nanochat (Karpathy 2025), base_train.py, for the dial and the width. Deviations: its
        heads have 128 numbers, with a key head each, and its blocks have no gate.
        """
        if depth < 1:
            raise ValueError(f"depth is {depth}, expected at least 1")
        shared = (n for n in range(max(1, depth // 3), 0, -1) if depth % n == 0)
        sizes = {
            "d_model": 64 * depth,
            "n_layers": depth,
            "n_heads": depth,
            "n_kv_heads": next(shared),
            "d_ff": 16 * math.ceil(64 * depth * 8 / 3 / 16),
        }
        return cls(vocab_size=vocab_size, **sizes | other)

    @property
    def d_head(self) -> int:
        """Numbers in one head's query and key."""
        if self.latent is not None:
            return self.latent.d_nope + self.latent.d_rope
        return self.head_size or self.d_model // self.n_heads

    @property
    def d_rope(self) -> int:
        """How many of a head's numbers RoPE turns."""
        return self.d_head if self.latent is None else self.latent.d_rope

    def to_dict(self) -> dict:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """The config that `to_dict` wrote; an unknown name is a TypeError."""
        latent = values.get("latent")
        return cls(**values | {"latent": None if latent is None else Latent(**latent)})

    def _check_sizes(self) -> None:
        sizes = ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_ff", "max_seq")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        for name in ("sliding_window", "head_size"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected None or >= 1")

    def _check_heads(self) -> None:
        even = self.position == "rope"
        multiple = self.n_heads * (2 if even else 1)
        why = f"RoPE turns pairs, so each of the {self.n_heads} heads needs an even size"
        if self.latent is None and self.head_size is None and self.d_model % multiple:
            reason = f" ({why})" if even else f", the number of heads {self.n_heads}"
            raise ValueError(
                f"d_model is {self.d_model}, expected a multiple of {multiple}{reason}"
            )
        if even and self.d_rope % 2:
            raise ValueError(f"head_size is {self.d_rope}, expected an even number ({why})")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_kv_heads is {self.n_kv_heads}, expected a divisor of n_heads {self.n_heads}"
            )

    def _check_experts(self) -> None:
        if self.mlp != "moe":
            if self.n_experts or self.top_k:
                raise ValueError(
                    f"n_experts is {self.n_experts} and top_k {self.top_k} with mlp "
                    f"{self.mlp!r}, expected 0 and 0, or mlp 'moe'"
                )
        elif not 1 <= self.top_k <= self.n_experts:
            raise ValueError(
                f"top_k is {self.top_k}, expected 1 to n_experts, which is {self.n_experts}"
            )
        elif self.bias:
            raise ValueError("bias is True with mlp 'moe', expected False: experts have none")

    def _check_latent(self, latent: Latent) -> None:
        for field in fields(latent):
            size = getattr(latent, field.name)
            if size is not None and size < 1:
                raise ValueError(f"latent.{field.name} is {size}, expected at least 1")
        for name, wanted in (
            ("position", "rope"),
            ("head_size", None),
            ("qk_norm", False),
            ("bias", False),
            ("n_kv_heads", self.n_heads),
        ):
            if getattr(self, name) != wanted:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected {wanted!r} with latent attention"
                )
