"""What a decoder costs, from its sizes alone: parameters, FLOPs, bytes of key-value cache.

Every function takes a `ModelConfig`, any of them, or the `Sizes` of a published model. The counts
are exact for our decoder: parameters as `model.parameters()` has them, FLOPs as torch's
FlopCounterMode counts them; tests hold both to it for every family and for random configs.
"""

from dataclasses import dataclass

from course_lib.architecture.accounting.sizes import Sizes, sizes_of
from course_lib.architecture.config import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Numbers of weights by part. `head` is 0 where it shares the embedding.

    `active`: those that one token meets, which is all of them but for the experts that it isn't
    sent to. An embedding is looked up, yet counts as active.
    """

    embedding: int
    attention: int
    mlp: int
    norms: int
    head: int
    active: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.embedding + self.attention + self.mlp + self.norms + self.head

    @property
    def non_embedding(self) -> int:
        """Without embedding, learned positions and head: the N of Kaplan et al. 2020."""
        return self.attention + self.mlp + self.norms


def count_parameters(model: ModelConfig | Sizes) -> Parameters:
    """Every weight of the model, by part. A tied head counts once, as the embedding."""
    s = sizes_of(model)
    attention, mlp, expert = (
        attention_matrices(s),
        mlp_matrices(s, s.d_ff),
        mlp_matrices(s, s.d_expert),
    )
    biases = {"none": 0, "qkv": _biases(attention[:-1]), "all": _biases(attention)}[s.biases]
    of_mlp, of_expert = (
        _entries(block) + (_biases(block) if s.biases == "all" else 0) for block in (mlp, expert)
    )
    router_and_experts = s.d_model * s.n_experts + (s.n_experts + s.shared_experts) * of_expert
    norm = 2 if s.norm_bias else 1  # numbers a channel
    of_heads = 2 * s.d_head * norm if s.qk_norm else 0
    of_latents = s.kv_rank + s.q_rank if s.latent else 0  # a gain for each compressed vector
    parts = {
        "embedding": (s.vocab_size + s.learned_positions) * s.d_model,
        "attention": s.n_layers * (_entries(attention) + biases),
        "mlp": s.plain_layers * of_mlp + s.expert_layers * router_and_experts,
        "norms": (s.n_layers * s.norms_a_layer + 1) * s.d_model * norm
        + s.n_layers * (of_heads + of_latents),
        "head": 0 if s.tied else s.vocab_size * s.d_model,
    }
    idle = s.expert_layers * (s.n_experts - s.experts_a_token) * of_expert
    return Parameters(**parts, active=sum(parts.values()) - idle)


def attention_matrices(s: Sizes) -> list[tuple[int, int]]:
    """What one layer's attention multiplies by, as (inputs, outputs): the last makes its output."""
    out = (s.n_heads * s.value_size, s.d_model)
    queries, keys = s.n_heads * s.qk_size, s.n_kv_heads * s.d_head
    if not s.latent:
        return [(s.d_model, queries), (s.d_model, keys), (s.d_model, keys), out]
    down = [(s.d_model, s.q_rank)] if s.q_rank else []
    up = (s.q_rank or s.d_model, queries)
    compress = (s.d_model, s.kv_rank + s.d_rope)
    return [*down, up, compress, (s.kv_rank, s.n_heads * (s.d_head + s.d_value)), out]


def mlp_matrices(s: Sizes, width: int) -> list[tuple[int, int]]:
    """Those of one feed-forward block, or of one expert: gate where there is one, up, down."""
    return [(s.d_model, width)] * (2 if s.gated else 1) + [(width, s.d_model)]


def _entries(matrices: list[tuple[int, int]]) -> int:
    return sum(inputs * outputs for inputs, outputs in matrices)


def _biases(matrices: list[tuple[int, int]]) -> int:
    return sum(outputs for _, outputs in matrices)


def forward_flops(
    model: ModelConfig | Sizes, seq: int, batch: int = 1, *, causal: bool = False
) -> int:
    """FLOPs of the matrix products of one forward pass over `batch` rows of `seq` tokens.

    2 a b c for [a, b] @ [b, c], a product and a sum: each matrix entry meets each token once, and
    the scores and the mix come on top (`attention_flops`). The head counts, tied or not: the
    product is made. Of experts the chosen ones count, `experts_a_token` and the shared ones, and
    the router: our MoE runs each expert on the tokens that were sent to it, so that what is active
    is what is executed, however uneven the load. Free are the look-up of an embedding, norms,
    biases, softmax, RoPE and activations, which are no matrix products. Source: Hoffmann et al.
    2022, appendix F; torch's FlopCounterMode counts the same.
    """
    s = sizes_of(model)
    experts = (s.experts_a_token + s.shared_experts) * _entries(mlp_matrices(s, s.d_expert))
    met = s.n_layers * _entries(attention_matrices(s)) + s.d_model * s.vocab_size
    met += s.plain_layers * _entries(mlp_matrices(s, s.d_ff))
    met += s.expert_layers * (s.d_model * s.n_experts + experts)
    return 2 * batch * seq * met + attention_flops(s, seq, batch, causal=causal)


def attention_flops(
    model: ModelConfig | Sizes, seq: int, batch: int = 1, *, causal: bool = False
) -> int:
    """FLOPs of the products of tokens with tokens: scores Q K^T and mix A V, all layers.

    2 (qk_size + value_size) n_heads for each query and key. Dense, the default: all seq^2 pairs,
    masked or not, as a kernel that writes the whole matrix computes and as FlopCounterMode counts.
    causal: the pairs that the mask leaves, as a kernel that skips blocks comes near to: in row i
    the i tokens up to itself, in a windowed layer no more than `window` of them. Latent attention
    counts with keys and values expanded, or, for a row of one token, absorbed (Section 2.1.2 of
    DeepSeek-V2), as our decoder does it.
    """
    s = sizes_of(model)
    a_pair = s.qk_size + s.value_size
    if s.latent and seq == 1:
        a_pair = 2 * s.kv_rank + s.d_rope
    pairs = s.n_layers * seq**2
    if causal:
        near = min(s.window, seq)
        in_window = near * (near + 1) // 2 + (seq - near) * near
        pairs = s.windowed_layers * in_window
        pairs += (s.n_layers - s.windowed_layers) * (seq * (seq + 1) // 2)
    return 2 * batch * pairs * s.n_heads * a_pair


def training_flops(
    model: ModelConfig | Sizes, tokens: int, seq: int, *, causal: bool = False
) -> int:
    """FLOPs to train on `tokens` tokens in rows of `seq`: the backward pass costs two forward ones.

    Each product Y = X W needs two more of the same size, for the gradients of X and of W. For long
    rows of a big model it is near 6 N D (Kaplan et al. 2020, section 2.1), with N the active
    parameters where there are experts. What is recomputed to save memory isn't counted.
    """
    return 3 * forward_flops(model, seq, causal=causal) * tokens // seq


def kv_cache_bytes(
    model: ModelConfig | Sizes, seq: int, batch: int = 1, bytes_per_value: int = 2
) -> int:
    """Bytes of keys and values of `batch` rows of `seq` tokens; two a value: bfloat16.

    A layer keeps 2 n_kv_heads d_head numbers a token, with latent attention kv_rank + d_rope
    (DeepSeek-V2, section 2.1.4). A windowed layer has use for no more than `window` tokens: that is
    what counts, though `GrowingCache`, which forgets nothing, holds all.
    """
    s = sizes_of(model)
    a_token = s.kv_rank + s.d_rope if s.latent else 2 * s.n_kv_heads * s.d_head
    tokens = s.windowed_layers * min(s.window, seq) + (s.n_layers - s.windowed_layers) * seq
    return batch * tokens * a_token * bytes_per_value
