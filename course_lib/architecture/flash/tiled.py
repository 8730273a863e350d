"""FlashAttention from scratch: exact attention that never holds the matrix of weights.

The matrix is worked through in tiles. A running maximum and a running sum make the softmax exact
although no row is ever seen whole ("online softmax"), and the backward pass computes each tile
again from q, k and one number a row, the log of the softmax's denominator. So memory grows with the
number of tokens, not with its square.

Source: Dao et al. 2022 (FlashAttention), section 3; the loops stand in the order of Dao 2023
(FlashAttention-2), algorithms 1 and 2. Deviations: no dropout; what moves between the slow memory
and the fast one is counted, as PyTorch gives no fast memory to address; sums keep the inputs' own
dtype. Speed is not the point here: `flash_triton` and torch's kernel are the fast ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


@dataclass
class Traffic:
    """Numbers moved between slow memory (a GPU's HBM) and fast memory (its SRAM)."""

    read: int = 0
    written: int = 0

    @property
    def total(self) -> int:
        """All numbers moved, both ways."""
        return self.read + self.written

    def load(self, x: Tensor, rows: slice) -> Tensor:
        """These rows of x, in fast memory."""
        tile = x[..., rows, :]
        self.read += tile.numel()
        return tile

    def store(self, x: Tensor, rows: slice, tile: Tensor) -> None:
        """Write these rows of x."""
        x[..., rows, :] = tile
        self.written += tile.numel()


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Which tiles of the matrix there are, and which of them the causal mask leaves."""

    n_queries: int
    n_keys: int
    block_q: int
    block_k: int
    causal: bool

    def __post_init__(self) -> None:
        if self.block_q < 1 or self.block_k < 1:
            raise ValueError(
                f"block_q is {self.block_q} and block_k is {self.block_k}, expected at least 1"
            )
        if self.causal and self.n_keys < self.n_queries:
            raise ValueError(
                f"causal attention of {self.n_queries} queries to {self.n_keys} keys: expected at "
                "least as many keys, as the queries are the last positions"
            )

    @property
    def past(self) -> int:
        """Keys before the first query: query i stands at position past + i."""
        return self.n_keys - self.n_queries

    def query_blocks(self, columns: slice | None = None) -> Iterator[slice]:
        """Blocks of queries; with `columns`, those in which some query sees some of these keys."""
        for rows in _blocks(self.n_queries, self.block_q):
            hidden = self.causal and columns and self.past + rows.stop - 1 < columns.start
            if not hidden:
                yield rows

    def key_blocks(self, rows: slice) -> Iterator[slice]:
        """Blocks of keys of which some query of `rows` sees some."""
        last = self.past + rows.stop - 1
        for columns in _blocks(self.n_keys, self.block_k):
            if not self.causal or columns.start <= last:
                yield columns

    def scores(
        self, q_i: Tensor, k_j: Tensor, rows: slice, columns: slice
    ) -> Float[Tensor, "batch n_kv_heads group block_q block_k"]:
        """One tile of Q K^T / sqrt(d_head), with -inf where the mask hides a key."""
        scores = q_i @ k_j.transpose(-1, -2) * q_i.shape[-1] ** -0.5
        if not self.causal or columns.stop - 1 <= self.past + rows.start:
            return scores  # the whole tile lies in the past
        i = torch.arange(self.past + rows.start, self.past + rows.stop, device=q_i.device)
        j = torch.arange(columns.start, columns.stop, device=q_i.device)
        return scores.masked_fill(j > i.unsqueeze(1), float("-inf"))


def online_softmax_step(
    scores: Float[Tensor, "*lead block_q block_k"],
    values: Float[Tensor, "*lead_v block_k d_head"],
    largest: Float[Tensor, "*lead block_q 1"],
    total: Float[Tensor, "*lead block_q 1"],
    mixed: Float[Tensor, "*lead block_q d_head"],
) -> tuple[
    Float[Tensor, "*lead block_q 1"],
    Float[Tensor, "*lead block_q 1"],
    Float[Tensor, "*lead block_q d_head"],
]:
    """Take one more tile into a softmax that is not finished; softmax(...) V is mixed / total.

    m' = max(m, max_j s_j);  l' = e^(m - m') l + sum_j e^(s_j - m');  o' alike, with the values.
    Begin with m = -inf, l = 0, o = 0. Source: Milakov and Gimelshein 2018, algorithm 3, and Dao et
    al. 2022, section 3.1. Each row must see a key in its first tile (-inf minus -inf is NaN).
    """
    new = torch.maximum(largest, scores.amax(-1, keepdim=True))
    shrink, weights = torch.exp(largest - new), torch.exp(scores - new)
    total = shrink * total + weights.sum(-1, keepdim=True)
    return new, total, shrink * mixed + weights @ values


def flash_forward(
    q: Float[Tensor, "batch n_kv_heads group q d_head"],
    k: Float[Tensor, "batch n_kv_heads 1 k d_head"],
    v: Float[Tensor, "batch n_kv_heads 1 k d_head"],
    tiling: Tiling,
    traffic: Traffic | None = None,
) -> tuple[
    Float[Tensor, "batch n_kv_heads group q d_head"],
    Float[Tensor, "batch n_kv_heads group q 1"],
]:
    """The output, and the log of each row's softmax denominator, L = m + log l.

    Dao 2023, algorithm 1. Queries come grouped by the key head that they share.
    """
    traffic = Traffic() if traffic is None else traffic
    out, log_sum = torch.empty_like(q), q.new_empty(*q.shape[:-1], 1)
    for rows in tiling.query_blocks():
        q_i = traffic.load(q, rows)
        largest = torch.full_like(q_i[..., :1], float("-inf"))
        total, mixed = torch.zeros_like(largest), torch.zeros_like(q_i)
        for columns in tiling.key_blocks(rows):
            k_j, v_j = traffic.load(k, columns), traffic.load(v, columns)
            scores = tiling.scores(q_i, k_j, rows, columns)
            largest, total, mixed = online_softmax_step(scores, v_j, largest, total, mixed)
        traffic.store(out, rows, mixed / total)
        traffic.store(log_sum, rows, largest + total.log())
    return out, log_sum


def flash_backward(
    q: Float[Tensor, "batch n_kv_heads group q d_head"],
    k: Float[Tensor, "batch n_kv_heads 1 k d_head"],
    v: Float[Tensor, "batch n_kv_heads 1 k d_head"],
    out: Float[Tensor, "batch n_kv_heads group q d_head"],
    log_sum: Float[Tensor, "batch n_kv_heads group q 1"],
    grad: Float[Tensor, "batch n_kv_heads group q d_head"],
    tiling: Tiling,
    traffic: Traffic | None = None,
) -> tuple[
    Float[Tensor, "batch n_kv_heads group q d_head"],
    Float[Tensor, "batch n_kv_heads 1 k d_head"],
    Float[Tensor, "batch n_kv_heads 1 k d_head"],
]:
    """Gradients of q, k and v; the weights P = exp(S - L) of each tile are computed again.

    dV = P^T dO;  dP = dO V^T;  dS = P * (dP - D) with D = rowsum(O * dO);  dQ = dS K and
    dK = dS^T Q, both over sqrt(d_head). Dao 2023, algorithm 2. A key head adds up what the query
    heads of its group send it.
    """
    traffic = Traffic() if traffic is None else traffic
    scale = q.shape[-1] ** -0.5
    d_out = (out * grad).sum(-1, keepdim=True)
    grad_q, grad_k, grad_v = torch.zeros_like(q), torch.empty_like(k), torch.empty_like(v)
    for columns in _blocks(tiling.n_keys, tiling.block_k):
        k_j, v_j = traffic.load(k, columns), traffic.load(v, columns)
        dk_j, dv_j = torch.zeros_like(k_j), torch.zeros_like(v_j)
        for rows in tiling.query_blocks(columns):
            q_i, g_i = traffic.load(q, rows), traffic.load(grad, rows)
            scores = tiling.scores(q_i, k_j, rows, columns)
            weights = torch.exp(scores - traffic.load(log_sum, rows))
            dv_j += (weights.transpose(-1, -2) @ g_i).sum(2, keepdim=True)
            ds = weights * (g_i @ v_j.transpose(-1, -2) - traffic.load(d_out, rows))
            dk_j += scale * (ds.transpose(-1, -2) @ q_i).sum(2, keepdim=True)
            traffic.store(grad_q, rows, traffic.load(grad_q, rows) + scale * (ds @ k_j))
        traffic.store(grad_k, columns, dk_j)
        traffic.store(grad_v, columns, dv_j)
    return grad_q, grad_k, grad_v


class _Flash(torch.autograd.Function):
    """Keeps q, k, v, the output and one number a row for the backward pass: O(tokens)."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor, tiling: Tiling) -> Tensor:
        out, log_sum = flash_forward(q, k, v, tiling)
        ctx.save_for_backward(q, k, v, out, log_sum)
        ctx.tiling = tiling
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        return *flash_backward(*ctx.saved_tensors, grad, ctx.tiling), None


def flash_attention(
    q: Float[Tensor, "batch n_heads q d_head"],
    k: Float[Tensor, "batch n_kv_heads k d_head"],
    v: Float[Tensor, "batch n_kv_heads k d_head"],
    *,
    causal: bool = False,
    block_q: int = 64,
    block_k: int = 64,
) -> Float[Tensor, "batch n_heads q d_head"]:
    """softmax(Q K^T / sqrt(d_head)) V by tiles, differentiable once.

    Equal to `attention.plain_attention`, with grouped heads as there. `causal`: the queries are the
    last positions, and each sees what is not after it.
    """
    check_shapes(q, k, v)
    tiling = Tiling(
        n_queries=q.shape[2], n_keys=k.shape[2], block_q=block_q, block_k=block_k, causal=causal
    )
    grouped = rearrange(q, "b (kv group) q d -> b kv group q d", kv=k.shape[1])
    out = _Flash.apply(grouped, k.unsqueeze(2), v.unsqueeze(2), tiling)
    return rearrange(out, "b kv group q d -> b (kv group) q d")


def check_shapes(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Raise ValueError with the tensor's name and shape unless they fit together."""
    if q.ndim != 4:
        raise ValueError(
            f"flash: q has shape {tuple(q.shape)}, expected (batch, n_heads, queries, d_head)"
        )
    if k.ndim != 4 or (k.shape[0], k.shape[3]) != (q.shape[0], q.shape[3]) or 0 in k.shape:
        raise ValueError(
            f"flash: k has shape {tuple(k.shape)}, expected (batch, n_kv_heads, keys, d_head) with "
            f"the batch and d_head of q {tuple(q.shape)}, and at least one key"
        )
    if v.shape != k.shape:
        raise ValueError(
            f"flash: v has shape {tuple(v.shape)}, expected that of k, {tuple(k.shape)}"
        )
    if q.shape[1] % k.shape[1]:
        raise ValueError(
            f"flash: k has {k.shape[1]} heads {tuple(k.shape)}, expected a divisor of the "
            f"{q.shape[1]} heads of q {tuple(q.shape)}"
        )


def _blocks(length: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
