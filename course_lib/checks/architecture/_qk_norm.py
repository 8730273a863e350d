"""The check of QK-norm: queries and keys brought to one length before their positions turn them."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.ops import rms_norm, rope, rope_tables
from course_lib.checks._report import CheckReport, run_check

EPS = 1e-6
Pair = tuple[Tensor, Tensor]
QKNorm = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Pair]


def qk_norm(fn: QKNorm) -> CheckReport:
    """Check fn(q, k, q_gain, k_gain, cos, sin) -> (q, k), ready for the scores, as Qwen3 has it.

    q is [batch, n_heads, seq, d_head], k has n_kv_heads; gains are [d_head]; eps is 1e-6.
    """
    generator = torch.Generator().manual_seed(0)
    # The first case has gains of 1, one head each and small vectors: what is wrong there is the
    # norm itself. The others bring in several heads and gains that differ.
    sizes = [(1, 1, 4, 8, False), (4, 2, 5, 8, True), (6, 3, 3, 4, True)]
    cases = [_case(*size, generator) for size in sizes]
    return run_check("QK-norm", fn, cases, _normalise_and_turn, mistakes=QK_NORM_MISTAKES)


def _case(
    n_heads: int, n_kv_heads: int, seq: int, d_head: int, gains: bool, generator: torch.Generator
) -> tuple[Tensor, ...]:
    q = 0.5 + 3 * torch.randn(2, n_heads, seq, d_head, generator=generator)
    k = 0.5 + 0.3 * torch.randn(2, n_kv_heads, seq, d_head, generator=generator)
    spread = 0.5 if gains else 0.0
    q_gain, k_gain = 1 + spread * torch.randn(2, d_head, generator=generator)
    return q, k, q_gain, k_gain, *rope_tables(seq, d_head)


def _normalise_and_turn(
    q: Tensor, k: Tensor, q_gain: Tensor, k_gain: Tensor, cos: Tensor, sin: Tensor
) -> Pair:
    return rope(rms_norm(q, q_gain, EPS), cos, sin), rope(rms_norm(k, k_gain, EPS), cos, sin)


def _with_norm(norm: Callable[[Tensor, Tensor], Tensor]) -> QKNorm:
    """The right thing with another norm."""
    return lambda q, k, q_gain, k_gain, cos, sin: (
        rope(norm(q, q_gain), cos, sin), rope(norm(k, k_gain), cos, sin)
    )  # fmt: skip


def _over(x: Tensor, gain: Tensor, axes: int | tuple[int, ...]) -> Tensor:
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + EPS) * gain


QK_NORM_MISTAKES = {
    "Nothing is normalised: the queries and keys come back only turned.": _with_norm(
        lambda x, gain: x
    ),
    "You turn first and normalise after. The gains differ from channel to channel, so they must be "
    "on before RoPE mixes the channels of a pair: after it, a score no longer depends on the "
    "distance alone.": lambda q, k, q_gain, k_gain, cos, sin: (
        rms_norm(rope(q, cos, sin), q_gain, EPS), rms_norm(rope(k, cos, sin), k_gain, EPS)
    ),  # fmt: skip
    "You normalise all heads of a token together. Each head is normalised by itself: the mean runs "
    "over d_head alone, the last axis.": _with_norm(lambda x, gain: _over(x, gain, (1, 3))),
    "You normalise over the sequence: a token's query would depend on later tokens. The mean runs "
    "over the last axis.": _with_norm(lambda x, gain: _over(x, gain, 2)),
    "You divide by the length of the vector, the root of the *sum* of squares. RMSNorm divides by "
    "the root of their *mean*: a head then has length sqrt(d_head), not 1.": _with_norm(
        lambda x, gain: x * torch.rsqrt(x.square().sum(-1, keepdim=True) + EPS) * gain
    ),
    "You subtract the mean and divide by the spread: LayerNorm. RMSNorm subtracts nothing.": (
        _with_norm(
            lambda x, gain: (x - x.mean(-1, keepdim=True))
            * torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + EPS)
            * gain
        )
    ),
    "The gains are left out.": _with_norm(lambda x, gain: _over(x, torch.ones_like(gain), -1)),
    "The gains have changed places: q_gain belongs to the queries.": (
        lambda q, k, q_gain, k_gain, cos, sin: _normalise_and_turn(q, k, k_gain, q_gain, cos, sin)
    ),
    "Both use the query's gain: keys have a gain of their own.": (
        lambda q, k, q_gain, k_gain, cos, sin: _normalise_and_turn(q, k, q_gain, q_gain, cos, sin)
    ),
    "The positions are left out: RoPE comes after the norm.": (
        lambda q, k, q_gain, k_gain, cos, sin: (rms_norm(q, q_gain, EPS), rms_norm(k, k_gain, EPS))
    ),
}
