"""Grouped-query attention: scores, mask, softmax, mix, with key heads shared by neighbours."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask, document_mask
from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.values import close

SIZES = (  # query heads, key heads, queries, keys, size of a head; one head a group comes first:
    # it separates errors of the softmax from errors of the grouping, and can be printed whole
    ("one head, two queries, three keys", 1, 1, 2, 3, 2),
    ("every query head has its own key head", 2, 2, 5, 5, 8),
    ("two query heads share a key head", 4, 2, 6, 6, 8),
    ("three share one, and the queries are the last of the keys", 6, 2, 3, 7, 4),
    ("all share one key head", 4, 1, 6, 6, 16),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    cases = [Case(what, _case(*sizes, generator)) for what, *sizes in SIZES]
    single = Case("one token that sees itself", _case(2, 1, 1, 1, 4, generator), edge=True)
    empty = tuple(part[:0] for part in _case(2, 1, 3, 3, 4, generator))
    return [*cases, single, Case("a batch of no rows", empty, edge=True)]


def _case(
    n_heads: int, n_kv_heads: int, queries: int, keys: int, d_head: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random q, k, v of two rows, the second of which packs two documents."""
    q = 2 * torch.randn(2, n_heads, queries, d_head, generator=generator)
    k = 2 * torch.randn(2, n_kv_heads, keys, d_head, generator=generator)
    v = torch.randn(2, n_kv_heads, keys, d_head, generator=generator)
    documents = torch.zeros(2, keys, dtype=torch.long)
    documents[1, keys // 2 :] = 1
    mask = causal_mask(queries, keys) & document_mask(documents)[:, keys - queries :]
    return q, k, v, mask


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    *,
    scale: Callable[[int], float] = lambda d_head: d_head**-0.5,
    repeat: Callable[[Tensor, int], Tensor] = lambda x, n: x.repeat_interleave(n, dim=1),
    axis: int = -1,
    late_mask: bool = False,
    filler: float = float("-inf"),
) -> Tensor:
    """Attention with one thing to get wrong at a time; right by default."""
    group = q.shape[1] // k.shape[1]
    k, v = repeat(k, group), repeat(v, group)
    scores = q @ k.transpose(-1, -2) * scale(q.shape[-1])
    hidden = ~mask.unsqueeze(1)
    if late_mask:
        return scores.softmax(axis).masked_fill(hidden, 0.0) @ v
    return scores.masked_fill(hidden, filler).softmax(axis) @ v


def _changed(**change) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    return lambda q, k, v, mask: _attend(q, k, v, mask, **change)


_MISTAKES = {
    "The scores are not divided by sqrt(d_head) (a head of 16: by 4). They grow with the size of a "
    "head, and the softmax saturates.": _changed(scale=lambda d_head: 1.0),
    "You divide by d_head, not by its square root: the weights come out too even.": _changed(
        scale=lambda d_head: 1 / d_head
    ),
    "Your scores are divided by the root of d_model: with 4 heads of 16 by sqrt(64), expected "
    "sqrt(d_head) = sqrt(16).": (
        lambda q, k, v, mask: _attend(
            q, k, v, mask, scale=lambda d_head: (q.shape[1] * d_head) ** -0.5
        )
    ),
    "You mask after the softmax: what is left of a row no longer sums to 1. Put -inf into the "
    "scores before it.": _changed(late_mask=True),
    "You put 0 into the masked scores: exp(0) = 1, so a hidden key still gets weight. Put -inf.": (
        _changed(filler=0.0)
    ),
    "The mask is upside down: True means that the query may look.": (
        lambda q, k, v, mask: _attend(q, k, v, ~mask)
    ),
    "The mask is not used: every query sees the future and the other document.": (
        lambda q, k, v, mask: _attend(q, k, v, torch.ones_like(mask))
    ),
    "The softmax runs over the queries. Each query shares out its own weight: over the keys, the "
    "last axis.": _changed(axis=-2),
    "The heads are dealt out in turn (0 1 0 1). Neighbours share a key head (0 0 1 1): head h of q "
    "reads head h // group of k, which is repeat_interleave, not repeat.": _changed(
        repeat=lambda x, n: x.repeat(1, n, 1, 1)
    ),
}

grouped_query_attention = Exercise(
    name="architecture/grouped_query_attention",
    title="Grouped-query attention",
    answer="my_attention",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=plain_attention,
    mistakes=_MISTAKES,
    gradients=(0, 1, 2),
    compare=partial(close, atol=1e-5),  # slopes are sums of terms that cancel, in float32
    forbidden=("scaled_dot_product_attention", "MultiheadAttention", "flex_attention"),
)
