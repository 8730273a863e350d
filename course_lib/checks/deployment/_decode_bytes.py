"""Predict, then count: the bytes that a step of decoding reads, and the speed that they allow."""

from collections.abc import Callable

import torch

from course_lib.checks.exercise import Case, Exercise, Property

Figures = dict[str, int | float]
SIZES = (  # layers, query heads, key heads, size of a head, d_ff, vocabulary, bits, batch, context
    ("one layer, 8 bits, one request", 1, 2, 2, 16, 32, 64, 8, 1, 5),
    ("shared key heads, 8 bits, one request", 2, 4, 2, 16, 96, 128, 8, 1, 40),
    ("shared key heads, 4 bits, some requests", 3, 4, 1, 32, 160, 256, 4, 6, 33),
    ("many requests with long contexts, 4 bits", 2, 8, 2, 16, 224, 128, 4, 24, 300),
)
GROUP = 32


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def draw(most: int) -> int:
        return int(torch.randint(1, most + 1, (1,), generator=generator))

    def case(what: str, sizes: tuple[int, ...], edge: bool = False) -> Case:
        layers, heads, kv_heads, d_head, d_ff, vocab, bits, batch, context = sizes
        widths = heads * d_head, kv_heads * d_head, d_ff + 32 * draw(3), vocab + 32 * draw(3)
        batch += draw(4) if batch > 1 else 0
        return Case(what, (layers + draw(2), *widths, bits, batch, context + draw(9)), edge)

    cases = [case(what, tuple(sizes)) for what, *sizes in SIZES]
    empty = (2, 64, 32, 96, 128, 8, 3, 0)
    return [*cases, Case("nothing is in the cache yet", empty, edge=True)]


def counted(
    n_layers: int,
    d_model: int,
    d_kv: int,
    d_ff: int,
    vocab: int,
    bits: int,
    batch: int,
    context: int,
    BANDWIDTH: float,
) -> Figures:
    """Build the matrices and the cache as they lie in memory, and add up their bytes."""
    shapes = [(d_model, d_model), (d_kv, d_model), (d_kv, d_model), (d_model, d_model)]
    shapes += [(d_ff, d_model), (d_ff, d_model), (d_model, d_ff)]
    weights = sum(_packed(*shape, bits) for shape in shapes * n_layers + [(vocab, d_model)])
    store = torch.empty(2, n_layers, batch, context, d_kv, dtype=torch.bfloat16)
    seconds = (weights + store.nbytes) / BANDWIDTH
    return {"weights": weights, "cache": store.nbytes, "tokens_per_second": batch / seconds}


def _packed(rows: int, columns: int, bits: int) -> int:
    """Bytes of a quantised matrix: codes packed into bytes, a scale for each group of columns."""
    codes = torch.zeros(rows, columns, dtype=torch.uint8)
    if bits == 4:
        codes = codes[:, ::2] | codes[:, 1::2] << 4
    scales = torch.empty(rows, columns // GROUP, dtype=torch.bfloat16)
    return codes.nbytes + scales.nbytes


def _formula(
    *,
    a_weight: Callable[[int, int], float] = lambda bits, columns: bits / 8 + 2 / GROUP,
    mlp: int = 3,
    head: bool = True,
    reads: Callable[[int], int] = lambda batch: 1,
    cache: Callable[[int, int, int, int, int], int] = (
        lambda layers, batch, context, d_kv, d_model: 4 * layers * batch * context * d_kv
    ),
    made: Callable[[int], int] = lambda batch: batch,
    both: Callable[[float, float], float] = lambda weights, cache: weights + cache,
) -> Callable:
    """The right sum, with one thing to get wrong at a time."""

    def predict(n_layers, d_model, d_kv, d_ff, vocab, bits, batch, context, BANDWIDTH):
        layer = [(d_model, d_model)] * 2 + [(d_kv, d_model)] * 2 + [(d_ff, d_model)] * (mlp - 1)
        layer.append((d_model, d_ff))
        shapes = layer * n_layers + ([(vocab, d_model)] if head else [])
        weights = sum(rows * columns * a_weight(bits, columns) for rows, columns in shapes)
        weights = round(weights * reads(batch))
        kept = cache(n_layers, batch, context, d_kv, d_model)
        speed = made(batch) / (both(weights, kept) / BANDWIDTH)
        return {"weights": weights, "cache": kept, "tokens_per_second": speed}

    return predict


def _a_batch_is_cheaper(answer: Callable, seed: int) -> str | None:
    """With an empty cache, twice the requests are twice the tokens a second."""
    sizes = (2, 64, 32, 96 + 32 * (seed % 3), 128, 8)
    one, two = (answer(*sizes, batch, 0)["tokens_per_second"] for batch in (4, 8))
    if abs(two / one - 2) < 1e-3:
        return None
    return f"With an empty cache, 4 requests give {one:.4g} tokens a second and 8 give {two:.4g}."


_MISTAKES = {
    "You count a byte for every code. At 4 bits two codes share one.": _formula(
        a_weight=lambda bits, columns: 1 + 2 / GROUP
    ),
    "You forgot the scales: 2 bytes for every 32 columns of a row, a sixteenth of a "
    "byte a weight.": _formula(a_weight=lambda bits, columns: bits / 8),
    "You count one scale a row. There is one for each 32 columns of it.": _formula(
        a_weight=lambda bits, columns: bits / 8 + 2 / columns
    ),
    "Your scales have 4 bytes; they are in bf16, 2 bytes.": _formula(
        a_weight=lambda bits, columns: bits / 8 + 4 / GROUP
    ),
    "You count bits as bytes: eight bits are one.": _formula(
        a_weight=lambda bits, columns: bits + 2 / GROUP
    ),
    "You count two matrices in the feed-forward layer. A gated one has three: up, gate and down.": (
        _formula(mlp=2)
    ),
    "You left the head out: the last matrix, vocab by d_model, is read for every token too.": (
        _formula(head=False)
    ),
    "You read the weights once for each request. One pass serves the whole batch: that is what a "
    "batch is for.": _formula(reads=lambda batch: batch),
    "The cache holds keys AND values: twice as much.": _formula(
        cache=lambda layers, batch, context, d_kv, d_model: 2 * layers * batch * context * d_kv
    ),
    "Your cache is as wide as the queries. Key heads are shared: it is d_kv wide.": _formula(
        cache=lambda layers, batch, context, d_kv, d_model: 4 * layers * batch * context * d_model
    ),
    "Your cache is of one request. Each request of the batch has its own.": _formula(
        cache=lambda layers, batch, context, d_kv, d_model: 4 * layers * context * d_kv
    ),
    "Your cache is of one layer; every layer has its own.": _formula(
        cache=lambda layers, batch, context, d_kv, d_model: 4 * batch * context * d_kv
    ),
    "You give the speed of one request. A step brings one token for each request of the batch.": (
        _formula(made=lambda batch: 1)
    ),
    "The bytes are right, but the step waits for the cache as well as for the weights: add them.": (
        _formula(both=lambda weights, cache: weights)
    ),
}

decode_bytes = Exercise(
    name="deployment/decode_bytes",
    title="How fast can it write?",
    answer="my_decode_bytes",
    kind="predict",
    minutes=30,
    points=10,
    cases=_cases,
    reference=counted,
    mistakes=_MISTAKES,
    properties=(Property("a batch shares the weights", _a_batch_is_cheaper),),
    constants={"BANDWIDTH": (3.35e12, 2.0e12, 3.0e11)},  # an H100's, an A100's, an L4's
)
