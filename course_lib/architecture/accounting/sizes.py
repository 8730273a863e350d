"""What any of today's decoders costs, from the numbers in its report: weights, FLOPs, bytes.

`accounting` does it for the course's own decoder. Here are the same formulas with the choices that
published models make: plain or gated feed-forward, biases, grouped heads of any size, latent
attention, experts, windows. The page's calculator (widgets/calculator.js) repeats them.
"""

from dataclasses import dataclass
from typing import Literal

from course_lib.architecture.decoder import ModelConfig

Biases = Literal["none", "qkv", "all"]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The numbers that decide the cost of a decoder. The names are those of the notation page.

    kv_rank > 0 means latent attention (DeepSeek-V2, section 2.1): keys and values are kept as one
    vector of kv_rank numbers, with d_rope more for the rotary part of the key; a query-key product
    is d_head + d_rope long, a value d_value. n_experts > 0 means that all but the first
    `dense_layers` have experts of d_expert in place of a feed-forward block of d_ff.
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
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_kv_heads is {self.n_kv_heads}, expected a divisor of n_heads {self.n_heads}"
            )
        if not 0 <= self.experts_a_token <= self.n_experts:
            raise ValueError(
                f"experts_a_token is {self.experts_a_token}, expected 0 to n_experts "
                f"{self.n_experts}"
            )
        if not 0 <= self.full_layers <= self.n_layers:
            raise ValueError(
                f"full_layers is {self.full_layers}, expected 0 to n_layers {self.n_layers}"
            )

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


def sizes_of(config: ModelConfig) -> Sizes:
    """The course's decoder in these terms."""
    return Sizes(
        vocab_size=config.vocab_size,
        d_model=config.d_model,
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        n_kv_heads=config.n_kv_heads,
        d_head=config.d_head,
        d_ff=config.d_ff,
        tied=config.tied,
        window=config.sliding_window or 0,
    )


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Numbers of weights by part; `active`: those that one token meets (all, without experts)."""

    embedding: int
    attention: int
    feed_forward: int
    norms: int
    head: int
    active: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.embedding + self.attention + self.feed_forward + self.norms + self.head

    @property
    def non_embedding(self) -> int:
        """Without embeddings and head."""
        return self.attention + self.feed_forward + self.norms


def weights(s: Sizes) -> Weights:
    """Every weight of the model, by part. An embedding is looked up, yet counts as active."""
    embedding = (s.vocab_size + s.learned_positions) * s.d_model
    head = 0 if s.tied else s.vocab_size * s.d_model
    gains = (s.n_layers * s.norms_a_layer + 1) * s.d_model * (2 if s.norm_bias else 1)
    small = s.n_layers * ((2 * s.d_head if s.qk_norm else 0) + s.kv_rank + s.q_rank)
    attention = s.n_layers * _attention_weights(s)
    idle = s.expert_layers * (s.n_experts - s.experts_a_token) * _block(s, s.d_expert)
    parts = {
        "embedding": embedding,
        "attention": attention,
        "feed_forward": _feed_forward_weights(s),
        "norms": gains + small,  # latent attention normalises both compressed vectors
        "head": head,
    }
    return Weights(**parts, active=sum(parts.values()) - idle)


def _attention_weights(s: Sizes) -> int:
    """Of one layer: queries, keys, values, output."""
    out = s.n_heads * s.value_size * s.d_model
    if s.latent:
        wide = s.n_heads * s.qk_size
        queries = s.q_rank * (s.d_model + wide) if s.q_rank else s.d_model * wide
        compress = s.d_model * (s.kv_rank + s.d_rope)
        expand = s.kv_rank * s.n_heads * (s.d_head + s.d_value)
        return queries + compress + expand + out
    qkv = (s.n_heads + 2 * s.n_kv_heads) * s.d_head
    bias = {"none": 0, "qkv": qkv, "all": qkv + s.d_model}[s.biases]
    return s.d_model * qkv + out + bias


def _block(s: Sizes, width: int) -> int:
    """One feed-forward block, or one expert."""
    matrices = 3 if s.gated else 2
    bias = (matrices - 1) * width + s.d_model if s.biases == "all" else 0
    return matrices * s.d_model * width + bias


def _feed_forward_weights(s: Sizes) -> int:
    dense = (s.n_layers - s.expert_layers) * _block(s, s.d_ff)
    an_expert_layer = (s.n_experts + s.shared_experts) * _block(s, s.d_expert)
    router = s.d_model * s.n_experts
    return dense + s.expert_layers * (an_expert_layer + router)


def forward_flops_a_token(s: Sizes, seq: int, causal: bool = False) -> int | float:
    """FLOPs of the matrix products for one token in a row of `seq`.

    2 for each weight that multiplies it (active matrices and the head, not the embedding, norms and
    biases), and 2 seq (qk_size + value_size) n_heads a layer for scores and mix. causal: count only
    the half of the scores that isn't masked, (seq + 1) / 2, as a kernel that skips blocks computes.
    A windowed layer scores at most `window` keys. Source: Hoffmann et al. 2022, appendix F, for the
    plain case.
    """
    w = weights(s)
    idle_lookups = (s.vocab_size + s.learned_positions) * s.d_model
    matrices = w.active - w.norms - idle_lookups - _all_biases(s)
    if s.tied:
        matrices += s.vocab_size * s.d_model  # the product with the embedding is made all the same
    reach = (seq + 1) / 2 if causal else seq
    near = min(s.window, reach) if s.window else reach
    windowed = s.n_layers - s.full_layers if s.window else 0
    keys = windowed * near + (s.n_layers - windowed) * reach
    return 2 * matrices + 2 * keys * s.n_heads * (s.qk_size + s.value_size)


def training_flops_a_token(s: Sizes, seq: int, causal: bool = False) -> int | float:
    """Three forward passes: the backward one makes two products for each one of the forward."""
    return 3 * forward_flops_a_token(s, seq, causal)


def _all_biases(s: Sizes) -> int:
    if s.biases == "none" or s.latent:
        return 0
    qkv = (s.n_heads + 2 * s.n_kv_heads) * s.d_head
    if s.biases == "qkv":
        return s.n_layers * qkv
    mlp = (2 if s.gated else 1) * s.d_ff + s.d_model
    return s.n_layers * (qkv + s.d_model + mlp)


def cache_bytes(s: Sizes, seq: int, batch: int = 1, bytes_per_value: int = 2) -> int:
    """Bytes of keys and values of `batch` rows of `seq` tokens.

    A layer keeps 2 n_kv_heads d_head numbers a token, with latent attention kv_rank + d_rope; a
    windowed layer keeps no more than `window` tokens.
    """
    a_token = s.kv_rank + s.d_rope if s.latent else 2 * s.n_kv_heads * s.d_head
    windowed = s.n_layers - s.full_layers if s.window else 0
    tokens = windowed * min(s.window or seq, seq) + (s.n_layers - windowed) * seq
    return batch * tokens * a_token * bytes_per_value
