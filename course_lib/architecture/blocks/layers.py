"""The parts of a block that hold weights: the norms, grouped-query attention, and who is chosen.

`feedforward`, `moe` and `latent` hold the other parts; the three `make_` functions are the only
place where a choice of the config becomes a module.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.attention.dot_product import Cache, Mask, kernel_mask
from course_lib.architecture.attention.latent import LatentAttention
from course_lib.architecture.blocks.feedforward import MLP, SwiGLU
from course_lib.architecture.blocks.moe import MoE
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.ops import layer_norm, rms_norm, rope


class RMSNorm(nn.Module):
    """Holds the gain g of `ops.rms_norm`, one number a channel, 1 at the start."""

    def __init__(self, d_model: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        return rms_norm(x, self.weight, self.eps)


class LayerNorm(nn.Module):
    """Holds the gain g (1 at the start) and, with `bias`, the b (0) of `ops.layer_norm`."""

    def __init__(self, d_model: int, eps: float, bias: bool) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model)) if bias else None

    def forward(self, x: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        return layer_norm(x, self.weight, self.bias, self.eps)


class Attention(nn.Module):
    """Project to queries, keys and values; turn the first two; attend; project back.

    Deviation from the libraries: one matrix makes all three (the same numbers in one call).
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.n_heads, self.n_kv_heads = config.n_heads, config.n_kv_heads
        self.d_head = config.d_head
        n_all = config.n_heads + 2 * config.n_kv_heads
        self.qkv = nn.Linear(config.d_model, n_all * config.d_head, bias=config.bias)
        self.out = nn.Linear(config.n_heads * config.d_head, config.d_model, bias=config.bias)
        self.q_norm = make_norm(config, config.d_head) if config.qk_norm else None
        self.k_norm = make_norm(config, config.d_head) if config.qk_norm else None

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        cos: Float[Tensor, "*any seq half"] | None,
        sin: Float[Tensor, "*any seq half"] | None,
        mask: Mask | None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        heads = rearrange(self.qkv(x), "b seq (h d) -> b h seq d", d=self.d_head)
        qk, v = heads.split([self.n_heads + self.n_kv_heads, self.n_kv_heads], dim=1)
        if self.q_norm is not None:
            q, k = qk.split([self.n_heads, self.n_kv_heads], dim=1)
            qk = torch.cat((self.q_norm(q), self.k_norm(k)), dim=1)
        if cos is not None:
            qk = rope(qk, cos, sin)
        q, k = qk.split([self.n_heads, self.n_kv_heads], dim=1)
        if cache is not None:
            k, v = cache.update(self.layer, k, v)
        mask = kernel_mask(mask, q.dtype)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        return self.out(rearrange(mixed, "b h seq d -> b seq (h d)"))


def make_norm(config: ModelConfig, size: int) -> RMSNorm | LayerNorm:
    """The norm that the config names, over `size` channels."""
    if config.norm == "rms":
        return RMSNorm(size, config.norm_eps)
    return LayerNorm(size, config.norm_eps, config.bias)


def make_attention(config: ModelConfig, layer: int) -> Attention | LatentAttention:
    """Grouped queries, or latent attention where the config has its sizes."""
    if config.latent is None:
        return Attention(config, layer)
    return LatentAttention(
        config.d_model,
        config.n_heads,
        kv_rank=config.latent.kv_rank,
        q_rank=config.latent.q_rank,
        d_nope=config.latent.d_nope,
        d_rope=config.latent.d_rope,
        d_value=config.latent.d_value,
        norm_eps=config.norm_eps,
        layer=layer,
    )


def make_mlp(config: ModelConfig) -> SwiGLU | MLP | MoE:
    """The feed-forward block that the config names."""
    if config.mlp == "moe":
        return MoE(config.d_model, config.d_ff, config.n_experts, config.top_k)
    if config.mlp == "swiglu":
        return SwiGLU(config.d_model, config.d_ff, config.bias)
    return MLP(config.d_model, config.d_ff, config.mlp, config.bias)
