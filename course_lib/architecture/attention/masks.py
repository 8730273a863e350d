"""Masks: causal, documents, padding, streams; and a softmax for rows where nothing may be seen.

Masks are boolean, True where the query may look, and combine by `&`. Softmax needs at least one
True in every row: the causal and the document mask keep the diagonal.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def causal_mask(
    n_queries: int,
    n_keys: int | None = None,
    window: int | None = None,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "q k"]:
    """True where 0 <= i - j, and i - j < window if there is one; i and j count from the first key.

    The queries are the last `n_queries` of the `n_keys` positions: with a cache there are more
    keys than queries. Sliding window as Mistral counts it: a window of w sees w tokens, itself
    included (Jiang et al. 2023, section 2).
    """
    n_keys = n_queries if n_keys is None else n_keys
    if n_keys < n_queries:
        raise ValueError(f"causal_mask: n_keys is {n_keys}, expected n_queries {n_queries} or more")
    if window is not None and window < 1:
        raise ValueError(f"causal_mask: window is {window}, expected at least 1, the token itself")
    i = torch.arange(n_keys - n_queries, n_keys, device=device).unsqueeze(1)
    j = torch.arange(n_keys, device=device)
    mask = j <= i
    return mask if window is None else mask & (i - j < window)


def document_mask(documents: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq seq"]:
    """True where query and key carry the same document id: packed documents don't see each other.

    It is block-diagonal where ids are contiguous. Combine it with `causal_mask` by `&`.
    """
    return documents.unsqueeze(2) == documents.unsqueeze(1)


def padding_mask(
    lengths: Int[Tensor, " batch"], seq: int, *, left: bool = False
) -> Bool[Tensor, "batch 1 seq"]:
    """True on keys that are tokens, False on padding; the middle axis broadcasts over queries.

    Row b has lengths[b] tokens, at the start, or at the end where `left` (as for generation).
    A query that is itself padding may be left without any key: see `safe_softmax`.
    """
    if lengths.numel() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= seq:
        raise ValueError(
            f"padding_mask: lengths go from {int(lengths.min())} to {int(lengths.max())}, "
            f"expected 0 to seq = {seq}"
        )
    at = torch.arange(seq, device=lengths.device)
    real = at >= (seq - lengths).unsqueeze(1) if left else at < lengths.unsqueeze(1)
    return real.unsqueeze(1)


def stream_mask(
    n_queries: int,
    n_keys: int | None = None,
    *,
    window: int,
    sinks: int = 0,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "q k"]:
    """Causal, the last `window` tokens, and the first `sinks` ones, which are never evicted.

    What a cache of window + sinks tokens lets a stream see (Xiao et al. 2024, StreamingLLM, section
    3.2). Deviation: positions stay those of the text, where StreamingLLM counts them in the cache.
    """
    if window < 1 or sinks < 0:
        raise ValueError(
            f"stream_mask: window is {window} and sinks is {sinks}, expected window >= 1 and "
            "sinks >= 0"
        )
    mask = causal_mask(n_queries, n_keys, window, device=device)
    mask[:, :sinks] = causal_mask(n_queries, n_keys, device=device)[:, :sinks]
    return mask


def safe_softmax(scores: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Softmax along the last axis in which a row of nothing but -inf gives zeros, not NaN.

    Elsewhere it is `ops.softmax` bit for bit. An empty row has no distribution, so zeros are a
    convention; it is the one of torch's `scaled_dot_product_attention`. The gradient is 0 there.
    """
    largest = scores.detach().amax(-1, keepdim=True)  # the shift cancels, in the gradient too
    weights = torch.exp(scores - largest.masked_fill(largest == float("-inf"), 0.0))
    total = weights.sum(-1, keepdim=True)
    return weights / total.masked_fill(total == 0.0, 1.0)
