"""Grouped-query attention written out, the mask as torch's kernel wants it, and the cache.

A mask is boolean, True where the query may look at the key. Softmax needs at least one True in
every row: each mask here keeps the diagonal. A mask of numbers, one for each head, is added to the
scores instead (-inf forbids), as torch's kernel has it: that is how ALiBi comes in.
"""

from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.architecture.ops import softmax

Mask = Bool[Tensor, "*#batch q k"] | Float[Tensor, "*#batch n_heads q k"]


def attention_weights(
    q: Float[Tensor, "batch n_heads q d_head"],
    k: Float[Tensor, "batch n_kv_heads k d_head"],
    mask: Mask | None = None,
) -> Float[Tensor, "batch n_heads q k"]:
    """softmax(Q K^T / sqrt(d_head) + mask), with scores at -inf where a boolean mask says False.

    Source: Vaswani et al. 2017, equation 1; grouped heads: Ainslie et al. 2023, section 2.2. Query
    head h reads key head h // (n_heads / n_kv_heads): neighbours share.
    """
    _check_heads(q, k)
    grouped = rearrange(q, "b (kv group) q d -> b kv group q d", kv=k.shape[1])
    scores = torch.einsum("b h g q d, b h k d -> b h g q k", grouped, k) / q.shape[-1] ** 0.5
    scores = rearrange(scores, "b kv group q k -> b (kv group) q k")
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~_per_head(mask), float("-inf"))
    elif mask is not None:
        scores = scores + mask
    return softmax(scores)


def plain_attention(
    q: Float[Tensor, "batch n_heads q d_head"],
    k: Float[Tensor, "batch n_kv_heads k d_head"],
    v: Float[Tensor, "batch n_kv_heads k d_value"],
    mask: Mask | None = None,
) -> Float[Tensor, "batch n_heads q d_value"]:
    """softmax(Q K^T / sqrt(d_head)) V, written out: the equation that torch's kernel must equal.

    The model calls the kernel, `torch.nn.functional.scaled_dot_product_attention`, which never
    writes the q x k matrix to memory (FlashAttention: Dao et al. 2022). In float32 on a CPU it was
    faster than this at every size we tried.
    """
    if v.ndim != 4 or v.shape[:3] != k.shape[:3]:
        raise ValueError(
            f"attention: v has shape {tuple(v.shape)}, expected the batch, heads and keys of k "
            f"{tuple(k.shape)}"
        )
    weights = attention_weights(q, k, mask)
    grouped = rearrange(weights, "b (kv group) q k -> b kv group q k", kv=k.shape[1])
    mixed = torch.einsum("b h g q k, b h k d -> b h g q d", grouped, v)
    return rearrange(mixed, "b kv group q d -> b (kv group) q d")


def kernel_mask(mask: Mask | None, dtype: torch.dtype) -> Tensor | None:
    """The mask as torch's kernel takes it: an axis for the heads, numbers in the queries' dtype.

    No mask means that every query sees every key.
    """
    if mask is None:
        return None
    return _per_head(mask) if mask.dtype == torch.bool else mask.to(dtype)


@runtime_checkable  # lets the type checker of the tests look for the two members
class Cache(Protocol):
    """What the decoder asks of a key-value cache; `GrowingCache` is the simple one."""

    length: int

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new keys and values of a layer; return all so far."""


class GrowingCache:
    """Keys and values of all tokens so far, one pair of buffers a layer.

    `update` writes the new ones behind the old ones and returns all. A buffer that is full is
    copied into one twice as long, so n tokens cost O(n) copying in all, where concatenating at
    every token costs O(n^2).
    """

    def __init__(self, capacity: int = 64) -> None:
        self.capacity = capacity
        self._keys: dict[int, Tensor] = {}
        self._values: dict[int, Tensor] = {}
        self._lengths: dict[int, int] = {}

    @property
    def length(self) -> int:
        """Tokens held by every layer."""
        return min(self._lengths.values(), default=0)

    def update(
        self,
        layer: int,
        k: Float[Tensor, "batch n_kv_heads seq d_head"],
        v: Float[Tensor, "batch n_kv_heads seq d_value"],
    ) -> tuple[
        Float[Tensor, "batch n_kv_heads all_seq d_head"],
        Float[Tensor, "batch n_kv_heads all_seq d_value"],
    ]:
        """Append this layer's new keys and values; return all of them, old ones first."""
        start = self._lengths.get(layer, 0)
        stop = start + k.shape[2]
        for store, new in ((self._keys, k), (self._values, v)):
            if layer not in store or stop > store[layer].shape[2]:
                self._grow(store, layer, start, max(self.capacity, stop, 2 * start), new)
            store[layer][:, :, start:stop] = new
        self._lengths[layer] = stop
        return self._keys[layer][:, :, :stop], self._values[layer][:, :, :stop]

    def keep(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep these rows of the batch and forget the others (finished sequences)."""
        for store in (self._keys, self._values):
            for layer, buffer in store.items():
                store[layer] = buffer[rows]

    @staticmethod
    def _grow(store: dict[int, Tensor], layer: int, used: int, size: int, like: Tensor) -> None:
        batch, heads, _, d_head = like.shape
        buffer = like.new_empty(batch, heads, size, d_head)
        if used:
            buffer[:, :, :used] = store[layer][:, :, :used]
        store[layer] = buffer


def _per_head(mask: Tensor) -> Tensor:
    """Add the axis of heads: [batch, q, k] -> [batch, 1, q, k]; [q, k] -> [1, q, k]."""
    return mask.unsqueeze(-3)


def _check_heads(q: Tensor, k: Tensor) -> None:
    if q.ndim != 4 or k.ndim != 4 or q.shape[-1] != k.shape[-1]:
        raise ValueError(
            f"attention: k has shape {tuple(k.shape)}, expected (batch, n_kv_heads, keys, d_head) "
            f"with the d_head of q {tuple(q.shape)}"
        )
    if q.shape[1] % k.shape[1]:
        raise ValueError(
            f"attention: k has {k.shape[1]} heads {tuple(k.shape)}, expected a divisor of the "
            f"{q.shape[1]} heads of q {tuple(q.shape)}"
        )
