"""Decoding with and without remembering: the same tokens, at very different cost.

To write token n + 1 a decoder needs the keys and values of all n tokens before it. They never
change, since attention looks back only, so computing them once is enough. Source: Shazeer 2019,
section 2.4 (incremental decoding).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.generate import stream


class StaticCache:
    """Keys and values in one block of memory, taken once, for a stated number of tokens.

    `GrowingCache` asks for memory when it needs some. A server can't live with that: it must know
    before it admits a request that the request's end will fit. Here the bytes are

        2 · n_layers · batch · n_kv_heads · capacity · d_head · bytes of a number,

    and a token past the capacity is an error, not a surprise.
    """

    def __init__(self, store: Float[Tensor, "two n_layers batch n_kv_heads capacity d_head"]):
        self.store = store
        self.capacity = store.shape[4]
        self._lengths = [0] * store.shape[1]

    @classmethod
    def of(
        cls,
        config: ModelConfig,
        *,
        batch: int = 1,
        capacity: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> "StaticCache":
        """An empty cache for a model; its context length is the default capacity."""
        if config.latent is not None:
            raise ValueError("latent attention keeps other shapes: expected a GrowingCache for it")
        capacity = config.max_seq if capacity is None else capacity
        if not 1 <= capacity <= config.max_seq:
            raise ValueError(f"capacity is {capacity}, expected 1 to max_seq {config.max_seq}")
        shape = (2, config.n_layers, batch, config.n_kv_heads, capacity, config.d_head)
        return cls(torch.zeros(shape, device=device, dtype=dtype))

    @property
    def length(self) -> int:
        """Tokens that every layer holds; the last layer is the last to get them."""
        return self._lengths[-1]

    @property
    def bytes(self) -> int:
        return self.store.nbytes

    def update(
        self,
        layer: int,
        k: Float[Tensor, "batch n_kv_heads seq d_head"],
        v: Float[Tensor, "batch n_kv_heads seq d_head"],
    ) -> tuple[
        Float[Tensor, "batch n_kv_heads all_seq d_head"],
        Float[Tensor, "batch n_kv_heads all_seq d_head"],
    ]:
        """Write the new keys and values of a layer behind its old ones; return views of all."""
        start = self._lengths[layer]
        stop = start + k.shape[2]
        if stop > self.capacity:
            raise ValueError(f"the cache holds {self.capacity} tokens; token {stop} doesn't fit")
        self.store[0, layer, :, :, start:stop] = k
        self.store[1, layer, :, :, start:stop] = v
        self._lengths[layer] = stop
        return self.store[0, layer, :, :, :stop], self.store[1, layer, :, :, :stop]

    def keep(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep these rows of the batch and forget the others (finished sequences)."""
        self.store = self.store[:, :, rows]

    def rewind(self, length: int = 0) -> None:
        """Forget all but the first `length` tokens. Nothing is erased, only overwritten later."""
        if not 0 <= length <= self.length:
            raise ValueError(f"length is {length}, expected 0 to {self.length}")
        self._lengths = [length] * len(self._lengths)


def decode_naive(model: Decoder, prompt: list[int], n: int) -> Iterator[int]:
    """Greedy decoding that reads the whole text again for every token: the definition.

    Writing n tokens after a prompt of p costs Σ (p + i) ≈ n p + n² / 2 token passes.
    """
    ids = list(prompt)
    for _ in range(n):
        with torch.inference_mode():
            last = model.hidden(torch.tensor([ids], device=model.device))[:, -1]
            ids.append(int(model.unembed(last).argmax(-1)))
        yield ids[-1]


def decode_cached(
    model: Decoder, prompt: list[int], n: int, cache: StaticCache | None = None
) -> Iterator[int]:
    """The same tokens: one pass over the prompt (*prefill*), then one token a pass (*decode*).

    Writing n tokens costs p + n token passes, but each of the n is a pass of its own, which reads
    every weight to use it once. It is the course's one loop, with a cache of stated size.
    """
    if cache is None:
        dtype = model.norm.weight.dtype
        cache = StaticCache.of(model.config, device=model.device, dtype=dtype)
    for [(_, token)] in stream(model, [prompt], max_new_tokens=n, cache=cache):
        yield token
