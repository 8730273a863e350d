"""Multi-head latent attention (MLA): what the cache keeps is one small vector a token.

Keys and values of all heads are linear in a latent c of kv_rank numbers, so c is enough to make
them again. Positions can't go through c (a rotation between two matrices would not let them merge),
so a key carries d_rope further numbers, turned by RoPE and shared by all heads.

The same numbers come out in two ways. *Expanded*: make keys and values from c, then attend; cheap
when there are many queries. *Absorbed*: move the matrices that would make them over to the query
and to the output, and attend to c itself as if it were one key head; this reads kv_rank + d_rope
numbers a token, which is what decoding wants.

Source: DeepSeek-AI 2024 (DeepSeek-V2), section 2.1 and appendix C; V3 is the same (section 2.1.1).
Deviation: RoPE is half-split, as in the rest of the course, where DeepSeek's weights are
interleaved; `rope_rows_to_half_split` carries the one to the other.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.attention.dot_product import Cache, kernel_mask
from course_lib.architecture.ops import rms_norm, rope


def expanded_attention(
    q_nope: Float[Tensor, "batch n_heads q d_nope"],
    q_rope: Float[Tensor, "batch n_heads q d_rope"],
    latent: Float[Tensor, "batch 1 k kv_rank"],
    k_rope: Float[Tensor, "batch 1 k d_rope"],
    kv_up: Float[Tensor, "n_heads nope_and_value kv_rank"],
    mask: Bool[Tensor, "*#batch q k"] | None = None,
) -> Float[Tensor, "batch n_heads q d_value"]:
    """Make k = [W_UK c; k_rope] and v = W_UV c of every head, and attend to them as usual.

    DeepSeek-V2, equations 9 to 19. `kv_up` holds W_UK (d_nope rows) above W_UV, head by head.
    Scores are divided by sqrt(d_nope + d_rope).
    """
    w_uk, w_uv = _split_up(kv_up, q_nope.shape[-1])
    k_nope = torch.einsum("b k r, h d r -> b h k d", latent[:, 0], w_uk)
    v = torch.einsum("b k r, h d r -> b h k d", latent[:, 0], w_uv)
    k = torch.cat((k_nope, k_rope.expand(-1, k_nope.shape[1], -1, -1)), dim=-1)
    q = torch.cat((q_nope, q_rope), dim=-1)
    mask = kernel_mask(mask, q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)


def absorbed_attention(
    q_nope: Float[Tensor, "batch n_heads q d_nope"],
    q_rope: Float[Tensor, "batch n_heads q d_rope"],
    latent: Float[Tensor, "batch 1 k kv_rank"],
    k_rope: Float[Tensor, "batch 1 k d_rope"],
    kv_up: Float[Tensor, "n_heads nope_and_value kv_rank"],
    mask: Bool[Tensor, "*#batch q k"] | None = None,
) -> Float[Tensor, "batch n_heads q d_value"]:
    """`expanded_attention` without ever making a key or a value.

    q . (W_UK c) = (W_UK^T q) . c, and sum_j a_j (W_UV c_j) = W_UV (sum_j a_j c_j): the query moves
    into the space of the latents, where all heads share one key and one value, and the mixture
    moves back (DeepSeek-V2, section 2.1.2, "absorbed").
    """
    w_uk, w_uv = _split_up(kv_up, q_nope.shape[-1])
    q_latent = torch.einsum("b h q d, h d r -> b h q r", q_nope, w_uk)
    mixed = F.scaled_dot_product_attention(
        torch.cat((q_latent, q_rope), dim=-1),
        torch.cat((latent, k_rope), dim=-1),
        latent,
        attn_mask=kernel_mask(mask, latent.dtype),
        scale=(q_nope.shape[-1] + q_rope.shape[-1]) ** -0.5,
        enable_gqa=True,
    )
    return torch.einsum("b h q r, h d r -> b h q d", mixed, w_uv)


class LatentAttention(nn.Module):
    """MLA with its weights. The cache keeps kv_rank + d_rope numbers a token, whatever n_heads.

    `q_rank` None makes queries straight from x (DeepSeek-V2-Lite); otherwise they pass a latent of
    their own, which saves activation memory in training and nothing in the cache.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        kv_rank: int,
        q_rank: int | None = None,
        d_nope: int,
        d_rope: int,
        d_value: int,
        norm_eps: float,
        layer: int,
    ) -> None:
        super().__init__()
        _check_sizes(d_model, n_heads, kv_rank, q_rank, d_nope, d_rope, d_value)
        self.n_heads, self.d_nope, self.d_rope, self.d_value = n_heads, d_nope, d_rope, d_value
        self.kv_rank, self.norm_eps, self.layer = kv_rank, norm_eps, layer
        d_q = n_heads * (d_nope + d_rope)
        if q_rank is None:
            self.q = nn.Linear(d_model, d_q, bias=False)
        else:
            self.q_down = nn.Linear(d_model, q_rank, bias=False)
            self.q_gain = nn.Parameter(torch.ones(q_rank))
            self.q_up = nn.Linear(q_rank, d_q, bias=False)
        self.kv_down = nn.Linear(d_model, kv_rank + d_rope, bias=False)
        self.kv_gain = nn.Parameter(torch.ones(kv_rank))
        self.kv_up = nn.Linear(kv_rank, n_heads * (d_nope + d_value), bias=False)
        self.out = nn.Linear(n_heads * d_value, d_model, bias=False)

    @property
    def cached_per_token(self) -> int:
        """Numbers that this layer's cache keeps for each token."""
        return self.kv_rank + self.d_rope

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        cos: Float[Tensor, "*any seq half"],
        sin: Float[Tensor, "*any seq half"],
        mask: Bool[Tensor, "*any_mask seq keys"] | None,
        cache: Cache | None = None,
        *,
        absorb: bool | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        """cos and sin have d_rope / 2 columns. `absorb` None: absorbed for one token, the usual
        step of decoding, and expanded for more.
        """
        self._check(x, cos)
        q = rearrange(self._queries(x), "b seq (h d) -> b h seq d", h=self.n_heads)
        q_nope, q_rope = q.split([self.d_nope, self.d_rope], dim=-1)
        latent, k_rope = self.kv_down(x).unsqueeze(1).split([self.kv_rank, self.d_rope], dim=-1)
        latent = rms_norm(latent, self.kv_gain, self.norm_eps)
        q_rope, k_rope = rope(q_rope, cos, sin), rope(k_rope, cos, sin)
        if cache is not None:
            latent, k_rope = cache.update(self.layer, latent, k_rope)
        if absorb is None:
            absorb = x.shape[1] == 1
        kv_up = rearrange(self.kv_up.weight, "(h d) r -> h d r", h=self.n_heads)
        attend = absorbed_attention if absorb else expanded_attention
        mixed = attend(q_nope, q_rope, latent, k_rope, kv_up, mask)
        return self.out(rearrange(mixed, "b h seq d -> b seq (h d)"))

    def _queries(self, x: Tensor) -> Tensor:
        if hasattr(self, "q"):
            return self.q(x)
        return self.q_up(rms_norm(self.q_down(x), self.q_gain, self.norm_eps))

    def _check(self, x: Tensor, cos: Tensor) -> None:
        if x.shape[-1] != self.kv_down.in_features:
            raise ValueError(
                f"LatentAttention: x has shape {tuple(x.shape)}, expected (batch, seq, "
                f"{self.kv_down.in_features})"
            )
        if 2 * cos.shape[-1] != self.d_rope:
            raise ValueError(
                f"LatentAttention: cos has shape {tuple(cos.shape)}, expected a last axis of "
                f"{self.d_rope // 2}, half of d_rope {self.d_rope}"
            )


def rope_rows_to_half_split(
    weight: Float[Tensor, "rows d_in"], n_heads: int, d_rope: int
) -> Float[Tensor, "rows d_in"]:
    """Reorder the last `d_rope` output rows of each head from interleaved pairs to half-split.

    Rows (x0, x1, x2, x3, ...) become (x0, x2, ..., x1, x3, ...), so that half-split RoPE turns the
    pairs that interleaved RoPE turned. Queries and keys permuted alike leave every score as it was.
    """
    per_head = rearrange(weight, "(h d) d_in -> h d d_in", h=n_heads)
    plain, turned = per_head[:, :-d_rope], per_head[:, -d_rope:]
    halves = torch.cat((turned[:, 0::2], turned[:, 1::2]), dim=1)
    return rearrange(torch.cat((plain, halves), dim=1), "h d d_in -> (h d) d_in").contiguous()


def _split_up(kv_up: Tensor, d_nope: int) -> tuple[Tensor, Tensor]:
    """The rows that make keys, and those that make values, of every head."""
    if kv_up.shape[1] <= d_nope:
        raise ValueError(
            f"kv_up has shape {tuple(kv_up.shape)}, expected (n_heads, d_nope + d_value, kv_rank) "
            f"with d_nope {d_nope} as in q_nope"
        )
    return kv_up[:, :d_nope], kv_up[:, d_nope:]


def _check_sizes(
    d_model: int,
    n_heads: int,
    kv_rank: int,
    q_rank: int | None,
    d_nope: int,
    d_rope: int,
    d_value: int,
) -> None:
    sizes = {
        "d_model": d_model,
        "n_heads": n_heads,
        "kv_rank": kv_rank,
        "d_nope": d_nope,
        "d_rope": d_rope,
        "d_value": d_value,
        "q_rank": q_rank or 1,
    }
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"LatentAttention: {name} is {value}, expected at least 1")
    if q_rank == 0:
        raise ValueError("LatentAttention: q_rank is 0, expected None or at least 1")
    if d_rope % 2:
        raise ValueError(f"LatentAttention: d_rope is {d_rope}, expected an even number")
