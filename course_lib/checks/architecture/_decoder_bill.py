"""Predict: weights, bytes of cache and operations of a decoder, from its sizes alone.

The right numbers are counted: a decoder of these sizes is built without memory (on torch's "meta"
device), run over one row with a cache, and its tensors and matrix products are added up.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    kv_cache_bytes,
)
from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.checks.exercise import Case, Exercise

Bill = tuple[int, int, int]
SHAPES = (  # layers, query heads, key heads
    ("one layer, one head", 1, 1, 1),
    ("two layers, a key head for each query head", 2, 4, 4),
    ("two query heads share a key head", 1, 4, 2),
    ("three layers, eight query heads share one", 3, 8, 1),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    return [
        Case(
            what,
            (
                number(20, 900),
                n_heads * 2 * number(2, 9),
                n_layers,
                n_heads,
                n_kv_heads,
                number(10, 300),
                number(2, 40),
            ),
        )
        for what, n_layers, n_heads, n_kv_heads in SHAPES
    ]


def _config(
    vocab_size: int,
    d_model: int,
    n_layers: int,
    n_heads: int,
    n_kv_heads: int,
    d_ff: int,
    tokens: int,
) -> ModelConfig:
    return ModelConfig(
        vocab_size=vocab_size,
        d_model=d_model,
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_ff=d_ff,
        max_seq=tokens,
    )


def _measured(
    vocab_size: int,
    d_model: int,
    n_layers: int,
    n_heads: int,
    n_kv_heads: int,
    d_ff: int,
    tokens: int,
) -> Bill:
    """What a decoder of these sizes has, keeps and does, counted on the decoder itself."""
    config = _config(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    kept: list[torch.Tensor] = []
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model, cache = Decoder(config).to(torch.bfloat16), GrowingCache(capacity=1)
        model(torch.zeros(1, tokens, dtype=torch.long), cache=cache)
        for layer in range(n_layers):
            nothing = torch.zeros(1, n_kv_heads, 0, config.d_head)
            kept += cache.update(layer, nothing, nothing)
    weights = sum(part.numel() for part in model.parameters())
    return weights, sum(part.nbytes for part in kept), counter.get_total_flops()


def _equal(got: Any, want: Any) -> bool:
    """To the last one: counts are whole numbers."""
    if not isinstance(got, Sequence) or isinstance(got, str) or len(got) != len(want):
        return False
    return all(isinstance(g, int | float) and g == w for g, w in zip(got, want, strict=True))


def _changed(change: Callable[[ModelConfig, int, Bill], Bill]) -> Callable[..., Bill]:
    """(the config, tokens, the right bill) -> a wrong one."""

    def wrong(*sizes: int) -> Bill:
        config, tokens = _config(*sizes), sizes[-1]
        right = (
            count_parameters(config).total,
            kv_cache_bytes(config, tokens),
            forward_flops(config, tokens),
        )
        return change(config, tokens, right)

    return wrong


def _more_keys(config: ModelConfig) -> int:
    """Weights that keys and values would have more if every query head had its own."""
    return (
        2 * config.n_layers * config.d_model * (config.d_model - config.n_kv_heads * config.d_head)
    )


_MISTAKES = {
    "Your weights count a head of its own. It is tied: the output shares the embedding's matrix.": (
        _changed(lambda c, t, bill: (bill[0] + c.vocab_size * c.d_model, *bill[1:]))
    ),
    "Your weights lack the norms: two gains of d_model a layer, and one at the end.": _changed(
        lambda c, t, bill: (bill[0] - (2 * c.n_layers + 1) * c.d_model, *bill[1:])
    ),
    "Your weights lack the last norm, the one before the output.": _changed(
        lambda c, t, bill: (bill[0] - c.d_model, *bill[1:])
    ),
    "Your weights lack the embedding.": _changed(
        lambda c, t, bill: (bill[0] - c.vocab_size * c.d_model, *bill[1:])
    ),
    "Your weights give every query head a key head of its own: keys and values have n_kv_heads "
    "heads.": _changed(lambda c, t, bill: (bill[0] + _more_keys(c), *bill[1:])),
    "Your feed-forward block has two matrices. SwiGLU has three: gate, up and down.": (
        _changed(lambda c, t, bill: (bill[0] - c.n_layers * c.d_model * c.d_ff, *bill[1:]))
    ),
    "Your cache holds keys for every query head: it keeps n_kv_heads heads.": _changed(
        lambda c, t, bill: (bill[0], bill[1] * c.n_heads // c.n_kv_heads, bill[2])
    ),
    "Your cache is half of what it is: keys *and* values, two bytes each.": _changed(
        lambda c, t, bill: (bill[0], bill[1] // 2, bill[2])
    ),
    "Your cache counts numbers, once: keys and values are two, of two bytes each.": _changed(
        lambda c, t, bill: (bill[0], bill[1] // 4, bill[2])
    ),
    "Your cache is that of one layer: each keeps its own.": _changed(
        lambda c, t, bill: (bill[0], bill[1] // c.n_layers, bill[2])
    ),
    "Your operations are half: a product and a sum for each weight and token, so 2.": _changed(
        lambda c, t, bill: (*bill[:2], bill[2] // 2)
    ),
    "Your operations lack the output: its matrix is shared, but the product with it is made.": (
        _changed(lambda c, t, bill: (*bill[:2], bill[2] - 2 * t * c.vocab_size * c.d_model))
    ),
    "Your operations lack the scores and the mix: tokens x tokens products of d_model numbers, "
    "twice a layer.": _changed(
        lambda c, t, bill: (*bill[:2], bill[2] - 4 * t * t * c.d_model * c.n_layers)
    ),
    "Your operations count only the scores that the mask leaves. The kernel makes them all.": (
        _changed(lambda c, t, b: (*b[:2], b[2] - 2 * t * (t - 1) * c.d_model * c.n_layers))
    ),
    "Your operations count the norms' gains as matrices: they multiply number by number.": _changed(
        lambda c, t, b: (*b[:2], b[2] + 2 * t * (2 * c.n_layers + 1) * c.d_model)
    ),
}

decoder_bill = Exercise(
    name="architecture/decoder_bill",
    title="The bill of a decoder",
    answer="my_bill",
    kind="predict",
    minutes=25,
    points=10,
    cases=_cases,
    reference=_measured,
    mistakes=_MISTAKES,
    compare=_equal,
)
