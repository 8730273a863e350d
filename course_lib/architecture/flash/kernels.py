"""FlashAttention as three Triton kernels: one forward, two backward, for a GPU.

The same algorithm as `flash`, one program instance a block of queries (or of keys), all blocks at
once on the GPU's processors. Here the tiles really are in fast memory. Importing this module needs
the `triton` package, which comes with torch's GPU builds on Linux; without a GPU the kernels run
(slowly) under TRITON_INTERPRET=1.

Source: Dao 2023 (FlashAttention-2), algorithms 1 and 2; kernels in the language of Tillet et al.
2019. Deviations: no dropout, d_head a power of 2 from 16 on, two block sizes, and products of
float32 inputs in full float32 ("ieee"), not in TF32: right before fast.
"""

import inspect
from collections.abc import Callable

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from course_lib.architecture.flash.tiled import Tiling, check_shapes


def _kernel(function: Callable) -> Callable:
    """`triton.jit` of the bare function: under test the shape checker has wrapped it by now."""
    return triton.jit(inspect.unwrap(function))


@_kernel
def _tile(x, head, at, length, D: tl.constexpr):
    """Rows `at` of head `head` of x [heads, length, D]; rows past the end are zeros."""
    offsets = (head * length + at)[:, None] * D + tl.arange(0, D)[None, :]
    return tl.load(x + offsets, mask=at[:, None] < length, other=0.0)


@_kernel
def _put(x, tile, head, at, length, D: tl.constexpr):
    """Write rows `at` of head `head`; rows past the end are left out."""
    offsets = (head * length + at)[:, None] * D + tl.arange(0, D)[None, :]
    tl.store(x + offsets, tile.to(x.dtype.element_ty), mask=at[:, None] < length)


@_kernel
def _scores(q_i, k_j, i, j, n_queries, n_keys, scale, CAUSAL: tl.constexpr):
    """One tile of Q K^T * scale, -inf past the last key and, if causal, in the future."""
    visible = (j < n_keys)[None, :]
    if CAUSAL:
        visible = visible & (j[None, :] <= (n_keys - n_queries + i)[:, None])
    scores = tl.dot(q_i, tl.trans(k_j), input_precision="ieee") * scale
    return tl.where(visible, scores, -float("inf"))


@_kernel
def _forward(
    q,
    k,
    v,
    out,
    log_sum,
    n_queries,
    n_keys,
    group,
    scale,
    CAUSAL: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    head, first = tl.program_id(1), tl.program_id(0) * BLOCK
    i = first + tl.arange(0, BLOCK)
    q_i = _tile(q, head, i, n_queries, D)
    largest = tl.full([BLOCK], -float("inf"), tl.float32)
    total, mixed = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK, D], tl.float32)
    end = n_keys
    if CAUSAL:  # later tiles lie in the future of every query here
        end = tl.minimum(n_keys, n_keys - n_queries + first + BLOCK)
    for start in range(0, end, BLOCK):
        j = start + tl.arange(0, BLOCK)
        k_j = _tile(k, head // group, j, n_keys, D)
        scores = _scores(q_i, k_j, i, j, n_queries, n_keys, scale, CAUSAL)
        new = tl.maximum(largest, tl.max(scores, 1))
        shrink, weights = tl.exp(largest - new), tl.exp(scores - new[:, None])
        total = shrink * total + tl.sum(weights, 1)
        v_j = _tile(v, head // group, j, n_keys, D)
        mixed = shrink[:, None] * mixed + tl.dot(weights.to(v_j.dtype), v_j, input_precision="ieee")
        largest = new
    _put(out, mixed / total[:, None], head, i, n_queries, D)
    tl.store(log_sum + head * n_queries + i, largest + tl.log(total), mask=i < n_queries)


@_kernel
def _tile_gradient(
    q_i, k_j, v_j, g_i, log_sum, d_out, head, i, j, n_queries, n_keys, scale, CAUSAL: tl.constexpr
):
    """The weights P of a tile, computed again, and dS = P * (dO V^T - D)."""
    row = head * n_queries + i
    scores = _scores(q_i, k_j, i, j, n_queries, n_keys, scale, CAUSAL)
    weights = tl.exp(scores - tl.load(log_sum + row, mask=i < n_queries, other=0.0)[:, None])
    weights = tl.where((i < n_queries)[:, None], weights, 0.0)
    d_weights = tl.dot(g_i, tl.trans(v_j), input_precision="ieee")
    inner = tl.load(d_out + row, mask=i < n_queries, other=0.0)
    return weights, weights * (d_weights - inner[:, None]) * scale


@_kernel
def _backward_keys(
    q,
    k,
    v,
    grad,
    log_sum,
    d_out,
    grad_k,
    grad_v,
    n_queries,
    n_keys,
    group,
    scale,
    CAUSAL: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One block of keys of one key head: dK and dV, over all query heads of its group."""
    kv_head, first = tl.program_id(1), tl.program_id(0) * BLOCK
    j = first + tl.arange(0, BLOCK)
    k_j, v_j = _tile(k, kv_head, j, n_keys, D), _tile(v, kv_head, j, n_keys, D)
    dk, dv = tl.zeros([BLOCK, D], tl.float32), tl.zeros([BLOCK, D], tl.float32)
    begin = 0
    if CAUSAL:  # earlier queries see none of these keys
        begin = tl.maximum(0, first - (n_keys - n_queries)) // BLOCK * BLOCK
    for member in range(0, group):
        head = kv_head * group + member
        for start in range(begin, n_queries, BLOCK):
            i = start + tl.arange(0, BLOCK)
            q_i, g_i = _tile(q, head, i, n_queries, D), _tile(grad, head, i, n_queries, D)
            weights, ds = _tile_gradient(
                q_i, k_j, v_j, g_i, log_sum, d_out, head, i, j, n_queries, n_keys, scale, CAUSAL
            )
            dv += tl.dot(tl.trans(weights).to(g_i.dtype), g_i, input_precision="ieee")
            dk += tl.dot(tl.trans(ds).to(q_i.dtype), q_i, input_precision="ieee")
    _put(grad_k, dk, kv_head, j, n_keys, D)
    _put(grad_v, dv, kv_head, j, n_keys, D)


@_kernel
def _backward_queries(
    q,
    k,
    v,
    grad,
    log_sum,
    d_out,
    grad_q,
    n_queries,
    n_keys,
    group,
    scale,
    CAUSAL: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One block of queries of one head: dQ."""
    head, first = tl.program_id(1), tl.program_id(0) * BLOCK
    i = first + tl.arange(0, BLOCK)
    q_i, g_i = _tile(q, head, i, n_queries, D), _tile(grad, head, i, n_queries, D)
    dq = tl.zeros([BLOCK, D], tl.float32)
    end = n_keys
    if CAUSAL:
        end = tl.minimum(n_keys, n_keys - n_queries + first + BLOCK)
    for start in range(0, end, BLOCK):
        j = start + tl.arange(0, BLOCK)
        k_j, v_j = _tile(k, head // group, j, n_keys, D), _tile(v, head // group, j, n_keys, D)
        _, ds = _tile_gradient(
            q_i, k_j, v_j, g_i, log_sum, d_out, head, i, j, n_queries, n_keys, scale, CAUSAL
        )
        dq += tl.dot(ds.to(k_j.dtype), k_j, input_precision="ieee")
    _put(grad_q, dq, head, i, n_queries, D)


class _TritonFlash(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        out = torch.empty_like(q)
        log_sum = torch.empty(q.shape[:-1], dtype=torch.float32, device=q.device)
        sizes = (q.shape[2], k.shape[2], q.shape[1] // k.shape[1], q.shape[3] ** -0.5)
        fixed = {"CAUSAL": causal, "D": q.shape[3], "BLOCK": block_of(q)}
        _forward[_grid(q)](q, k, v, out, log_sum, *sizes, **fixed)
        ctx.save_for_backward(q, k, v, out, log_sum)
        ctx.sizes, ctx.fixed = sizes, fixed
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, log_sum = ctx.saved_tensors
        grad = grad.contiguous()
        d_out = (out.float() * grad.float()).sum(-1)
        grads = [torch.empty_like(x) for x in (q, k, v)]
        given = (q, k, v, grad, log_sum, d_out)
        _backward_keys[_grid(k)](*given, *grads[1:], *ctx.sizes, **ctx.fixed)
        _backward_queries[_grid(q)](*given, grads[0], *ctx.sizes, **ctx.fixed)
        return *grads, None


def triton_attention(
    q: Float[Tensor, "batch n_heads q d_head"],
    k: Float[Tensor, "batch n_kv_heads k d_head"],
    v: Float[Tensor, "batch n_kv_heads k d_head"],
    *,
    causal: bool = False,
) -> Float[Tensor, "batch n_heads q d_head"]:
    """`flash.flash_attention` on a GPU. Float32, float16 or bfloat16; sums are in float32.

    Raises ValueError for shapes as there, and for a d_head that is no power of 2 from 16 to 128.
    """
    check_shapes(q, k, v)
    Tiling(n_queries=q.shape[2], n_keys=k.shape[2], block_q=1, block_k=1, causal=causal)
    if q.shape[3] not in (16, 32, 64, 128):
        raise ValueError(f"triton_attention: d_head is {q.shape[3]}, expected 16, 32, 64 or 128")
    return _TritonFlash.apply(q, k, v, causal)


def block_of(q: Tensor) -> int:
    """Queries and keys a tile: 64, or 32 where 64 rows of d_head would fill the fast memory.

    Compiled for an H100, which has 228 kB of it a processor, the kernel of dK and dV takes 132 kB
    at 64 rows of 256 bytes.
    """
    return 64 if q.element_size() * q.shape[3] <= 256 else 32


def _grid(x: Tensor) -> tuple[int, int]:
    """One instance for each block of rows of each head of the batch."""
    return triton.cdiv(x.shape[2], block_of(x)), x.shape[0] * x.shape[1]
