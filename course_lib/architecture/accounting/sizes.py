"""The sizes that decide what a decoder costs: those of a report, and those of any `ModelConfig`.

`formulas` and `activations` count from here alone, so that a model that we run and one that we only
read about are counted by the same lines. The page's calculator (widgets/calculator.js) repeats
them.
"""

from dataclasses import dataclass
from typing import Literal

from course_lib.architecture.config import ModelConfig

Biases = Literal["none", "qkv", "all"]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The numbers that decide the cost of a decoder. The names are those of the notation page.

    kv_rank > 0 means latent attention (DeepSeek-V2, section 2.1): keys and values are kept as one
    vector of kv_rank numbers, with d_rope more for the rotary part of the key; a query-key product
    is d_head + d_rope long, a value d_value. n_experts > 0 means that all but the first
    `dense_layers` have experts of d_expert in place of a feed-forward block of d_ff. Without latent
    attention its other sizes don't count, nor do those of experts without n_experts.
    """

    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_head: int
    d_ff: int
    gated: bool = True  # three matrices, as SwiGLU has; else two
    tied: bool = False
    biases: Biases = "none"
    learned_positions: int = 0
    norms_a_layer: int = 2
    norm_bias: bool = False  # LayerNorm: a gain and a bias; RMSNorm: a gain
    qk_norm: bool = False
    n_experts: int = 0
    experts_a_token: int = 0
    shared_experts: int = 0
    d_expert: int = 0
    dense_layers: int = 0
    kv_rank: int = 0
    q_rank: int = 0
    d_rope: int = 0
    d_value: int = 0
    window: int = 0  # tokens that a windowed layer sees; 0: no layer has a window
    full_layers: int = 0  # layers without the window, where there is one

    def __post_init__(self) -> None:
        names = ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_head", "d_ff")
        for name in names:
            self._expect(name, getattr(self, name) >= 1, "at least 1")
        whole = self.n_heads % self.n_kv_heads == 0
        self._expect("n_kv_heads", whole, f"a divisor of n_heads {self.n_heads}")
        self._expect("biases", self.biases in ("none", "qkv", "all"), "'none', 'qkv' or 'all'")
        for name in ("full_layers", "dense_layers"):
            within = 0 <= getattr(self, name) <= self.n_layers
            self._expect(name, within, f"0 to n_layers {self.n_layers}")
        if self.n_experts:
            some = 1 <= self.experts_a_token <= self.n_experts
            self._expect("experts_a_token", some, f"1 to n_experts {self.n_experts}")
            self._expect("d_expert", self.d_expert >= 1, "at least 1 with experts")
        if self.latent:
            plain = self.biases == "none" and not self.qk_norm
            found = f"biases {self.biases!r} and qk_norm {self.qk_norm}"
            if not plain:
                raise ValueError(f"{found}: expected 'none' and False with latent attention")
            self._expect("d_value", self.d_value >= 1, "at least 1 with latent attention")

    def _expect(self, name: str, right: bool, wanted: str) -> None:
        if not right:
            raise ValueError(f"{name} is {getattr(self, name)!r}, expected {wanted}")

    @property
    def latent(self) -> bool:
        """Whether keys and values are kept compressed."""
        return self.kv_rank > 0

    @property
    def qk_size(self) -> int:
        """Length of one query-key product."""
        return self.d_head + self.d_rope if self.latent else self.d_head

    @property
    def value_size(self) -> int:
        """Length of one head's value."""
        return self.d_value if self.latent else self.d_head

    @property
    def expert_layers(self) -> int:
        """Layers whose feed-forward block is made of experts."""
        return self.n_layers - self.dense_layers if self.n_experts else 0

    @property
    def plain_layers(self) -> int:
        """Layers with one feed-forward block: all of them where there are no experts."""
        return self.n_layers - self.expert_layers

    @property
    def windowed_layers(self) -> int:
        """Layers that see no more than `window` tokens."""
        return self.n_layers - self.full_layers if self.window else 0


def sizes_of(model: ModelConfig | Sizes) -> Sizes:
    """Any `ModelConfig` in these terms; `Sizes` as they are.

    Of a config's choices only `position` "learned" has weights. What none of the bills depends on
    (norm_eps, RoPE's base, which activation) has no place in `Sizes`.
    """
    if isinstance(model, Sizes):
        return model
    latent, moe = model.latent, model.mlp == "moe"
    inner = {} if latent is None else {"kv_rank": latent.kv_rank, "q_rank": latent.q_rank or 0}
    if latent is not None:
        inner |= {"d_rope": latent.d_rope, "d_value": latent.d_value}
    return Sizes(
        vocab_size=model.vocab_size,
        d_model=model.d_model,
        n_layers=model.n_layers,
        n_heads=model.n_heads,
        n_kv_heads=model.n_kv_heads,
        d_head=model.d_head if latent is None else latent.d_nope,
        d_ff=model.d_ff,
        gated=model.mlp in ("swiglu", "moe"),
        tied=model.tied,
        biases="all" if model.bias else "none",
        learned_positions=model.max_seq if model.position == "learned" else 0,
        norms_a_layer=1 if model.wiring == "parallel" else 2,
        norm_bias=model.norm == "layer" and model.bias,
        qk_norm=model.qk_norm,
        n_experts=model.n_experts,
        experts_a_token=model.top_k,
        d_expert=model.d_ff if moe else 0,
        window=model.sliding_window or 0,
        **inner,
    )
