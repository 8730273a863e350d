"""Predict: the FLOPs of a training step from the sizes alone, against torch's counter."""

from collections.abc import Callable
from functools import partial
from random import Random

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.values import close


def _cases(seed: int) -> list[Case]:
    random = Random(seed)

    def sizes(*, shared: bool, tied: bool = True, seq: int | None = None) -> tuple:
        heads = random.choice((2, 4))
        config = {
            "d_model": heads * random.choice((4, 6, 8)),
            "n_layers": random.randint(1, 3),
            "n_heads": heads,
            "n_kv_heads": heads // 2 if shared else heads,
            "d_ff": random.randint(20, 70),
            "vocab_size": random.randint(40, 120),
            "tied": tied,
        }
        return config, random.randint(2, 5), seq or random.randint(6, 20)

    return [
        Case("every query head has a key head", sizes(shared=False)),
        Case("two query heads share a key head", sizes(shared=True)),
        Case("a head of its own", sizes(shared=True, tied=False)),
        Case("long rows", sizes(shared=True, seq=random.randint(40, 60))),
        Case("rows of one token", sizes(shared=True, seq=1), edge=True),
    ]


def _counted(config: dict, rows: int, seq: int) -> int:
    """The products of one forward and backward pass of the course's decoder, off torch's own graph.

    Every node of a product [a, b] @ [b, c] was 2 a b c FLOPs forward, and is as many backward for
    each input that has a gradient. A test holds it to FlopCounterMode, which loads torch's compiler
    first and so takes seconds for its first count.
    """
    model = Decoder(ModelConfig(**config, max_seq=seq), generator=torch.Generator().manual_seed(0))
    tokens = torch.zeros(rows, seq, dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH):
        logits = model(tokens)
    flops, waiting, seen = 0, [logits.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        before = [inner for inner, _ in node.next_functions]
        if type(node).__name__ in ("MmBackward0", "BmmBackward0"):
            left, right = node._saved_self, node._saved_mat2
            backward = sum(inner is not None for inner in before)
            flops += 2 * left.numel() * right.shape[-1] * (1 + backward)
        waiting += before
    return flops


def _flops(
    config: dict,
    rows: int,
    seq: int,
    *,
    mlp: int = 3,
    passes: int = 3,
    a_weight: int = 2,
    pairs: Callable = lambda seq: seq * seq,
    kv: Callable = lambda c: c["n_kv_heads"],
    head: Callable = lambda c: 1,
    mix: int = 2,
) -> int:
    """The count with one thing to get wrong at a time."""
    d, d_head = config["d_model"], config["d_model"] // config["n_heads"]
    attention = 2 * d * d + 2 * d * d_head * kv(config)
    weights = config["n_layers"] * (attention + mlp * d * config["d_ff"])
    weights += head(config) * config["vocab_size"] * d
    mixing = mix * config["n_layers"] * pairs(seq) * d
    return passes * a_weight * rows * (seq * weights + mixing)


def _changed(**change) -> Callable:
    return lambda config, rows, seq: _flops(config, rows, seq, **change)


def _six_nd(config: dict, rows: int, seq: int) -> int:
    """6 times all parameters times tokens: no attention among tokens, norms and lookups counted."""
    d, layers, vocab = config["d_model"], config["n_layers"], config["vocab_size"]
    weights = _flops(config, 1, 1, mix=0) // 6
    return 6 * rows * seq * (weights + (2 * layers + 1) * d + (not config["tied"]) * vocab * d)


_MISTAKES = {
    "You counted the forward pass alone. The backward pass makes two products for each of its: one "
    "for the gradient of the input, one for that of the weight.": _changed(passes=1),
    "You took the backward pass for as costly as the forward one. It makes two products for each: "
    "three passes' worth in all, not two.": _changed(passes=2),
    "You count one FLOP a weight and token. A product multiplies *and* adds: 2.": _changed(
        a_weight=1
    ),
    "Attention's products of tokens with tokens are missing: scores and mixture, each 2 · seq² · "
    "d_model a row and layer.": _changed(mix=0),
    "You count one product of tokens with tokens a layer. There are two: the scores, and the "
    "mixture of the values.": _changed(mix=1),
    "You count the scores of the past alone, half of seq². The kernel computes them all and masks "
    "the rest, and so does the counter.": _changed(pairs=lambda seq: seq * (seq + 1) // 2),
    "The head is missing: hidden state times vocabulary, for every token, tied or not.": _changed(
        head=lambda config: 0
    ),
    "You leave the head out where it is tied. It shares the embedding's weights, but the product "
    "is made all the same.": _changed(head=lambda config: not config["tied"]),
    "You count a head and an embedding. Looking a row up is no product: only the "
    "head multiplies.": _changed(head=lambda config: 2),
    "Keys and values as wide as the queries: with grouped queries they have n_kv_heads heads.": (
        _changed(kv=lambda config: config["n_heads"])
    ),
    "Your feed-forward layer has two matrices. SwiGLU has three: gate, up and down.": _changed(
        mlp=2
    ),
    "That is 6ND with all parameters: it leaves out the products of tokens with tokens, and counts "
    "norms (and an untied embedding), which multiply no matrix.": _six_nd,
}

training_flops = Exercise(
    name="scaling/training_flops",
    title="The FLOPs of a training step",
    answer="my_flops",
    kind="predict",
    minutes=25,
    points=10,
    cases=_cases,
    reference=_counted,
    mistakes=_MISTAKES,
    compare=partial(close, rtol=1e-9),
    forbidden=("FlopCounterMode",),
)
