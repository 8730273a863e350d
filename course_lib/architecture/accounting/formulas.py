"""What a decoder costs, from its config alone: parameters, FLOPs, bytes of key-value cache."""

from dataclasses import dataclass

from course_lib.architecture.decoder import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Numbers of weights by part. `head` is 0 where it shares the embedding."""

    embedding: int
    attention: int
    mlp: int
    norms: int
    head: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.embedding + self.attention + self.mlp + self.norms + self.head

    @property
    def non_embedding(self) -> int:
        """Without embedding and head: the N of Kaplan et al. 2020."""
        return self.attention + self.mlp + self.norms


def count_parameters(config: ModelConfig) -> Parameters:
    """Weights of a decoder of these sizes, by part."""
    d, layers = config.d_model, config.n_layers
    kv = config.n_kv_heads * config.d_head
    return Parameters(
        embedding=config.vocab_size * d,
        attention=layers * (2 * d * d + 2 * d * kv),  # q and out, k and v
        mlp=layers * 3 * d * config.d_ff,
        norms=(2 * layers + 1) * d,
        head=0 if config.tied else config.vocab_size * d,
    )


def forward_flops(config: ModelConfig, seq: int, batch: int = 1) -> int:
    """FLOPs of the matrix products of one forward pass over batch x seq tokens.

    2 a b c for [a, b] @ [b, c]: each weight meets each token once, and scores and mix take
    2 seq^2 d_model each a layer. Masked scores count, as kernels without block skipping compute
    them and torch's FlopCounterMode counts them. Norms, softmax and RoPE are left out. Source:
    Hoffmann et al. 2022, appendix F.
    """
    n = count_parameters(config)
    head = config.vocab_size * config.d_model  # tied or not, the product is made
    weights = n.attention + n.mlp + head
    scores_and_mix = 4 * seq * config.d_model * config.n_layers
    return batch * seq * (2 * weights + scores_and_mix)


def training_flops(config: ModelConfig, tokens: int, seq: int) -> int:
    """FLOPs to train on `tokens` tokens in rows of `seq`: the backward pass costs two forward ones.

    Each product Y = X W needs two more of the same size, for the gradients of X and of W. For long
    rows of a big model it is near 6 N D (Kaplan et al. 2020, section 2.1).
    """
    return 3 * forward_flops(config, seq) * tokens // seq


def kv_cache_bytes(config: ModelConfig, seq: int, batch: int = 1, bytes_per_value: int = 2) -> int:
    """Bytes of keys and values of `seq` tokens: 2 n_layers n_kv_heads d_head bytes a token.

    A sliding window caps the tokens worth keeping. Two bytes a value: bfloat16.
    """
    kept = seq if config.sliding_window is None else min(seq, config.sliding_window)
    per_token = 2 * config.n_layers * config.n_kv_heads * config.d_head * bytes_per_value
    return batch * kept * per_token
