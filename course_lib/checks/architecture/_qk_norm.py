"""QK-norm: queries and keys brought to one length before their positions turn them."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.ops import rms_norm, rope, rope_tables
from course_lib.checks.exercise import Case, Exercise, Property

EPS = 1e-6
Pair = tuple[Tensor, Tensor]
QKNorm = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Pair]
SIZES = (  # heads, key heads, tokens, size of a head, rows, spread of the gains. With gains of 1
    # and one head each, what is wrong is the norm itself; the others bring in heads and gains.
    ("one head, gains of 1", 1, 1, 2, 4, 1, 0.0),
    ("one head, gains that differ", 1, 1, 3, 4, 1, 0.5),
    ("four query heads, two key heads, two rows", 4, 2, 5, 8, 2, 0.5),
    ("three queries share a key head", 6, 2, 3, 6, 2, 0.5),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    cases = [Case(what, _case(*sizes, generator)) for what, *sizes in SIZES]
    q, k, *rest = _case(2, 1, 3, 4, 2, 0.5, generator)
    nothing = Case("queries and keys of zeros", (0 * q, 0 * k, *rest), edge=True)
    return [*cases, nothing, Case("a batch of no rows", (q[:0], k[:0], *rest), edge=True)]


def _case(
    n_heads: int,
    n_kv_heads: int,
    seq: int,
    d_head: int,
    rows: int,
    spread: float,
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    q = 0.5 + 3 * torch.randn(rows, n_heads, seq, d_head, generator=generator)
    k = 1 + 0.5 * torch.randn(rows, n_kv_heads, seq, d_head, generator=generator)
    q_gain, k_gain = 1 + spread * torch.randn(2, d_head, generator=generator)
    return q, k, q_gain, k_gain, *rope_tables(seq, d_head)


def _right(q: Tensor, k: Tensor, q_gain: Tensor, k_gain: Tensor, cos: Tensor, sin: Tensor) -> Pair:
    return rope(rms_norm(q, q_gain, EPS), cos, sin), rope(rms_norm(k, k_gain, EPS), cos, sin)


def _size_fault(answer: QKNorm, seed: int) -> str | None:
    """Queries ten times as large come out the same: what QK-norm is for."""
    generator = torch.Generator().manual_seed(seed)
    q, k, *rest = _case(2, 1, 3, 8, 1, 0.5, generator)
    before, after = answer(q, k, *rest)[0], answer(10 * q, k, *rest)[0]
    if torch.allclose(before, after, rtol=1e-3, atol=1e-4):
        return None
    at = int((before - after).abs().argmax())
    return (
        f"With queries ten times as large, {before.flatten()[at]:.4f} becomes "
        f"{after.flatten()[at]:.4f}: their size should be gone."
    )


def _with_norm(norm: Callable[[Tensor, Tensor], Tensor]) -> QKNorm:
    """The right thing with another norm."""
    return lambda q, k, q_gain, k_gain, cos, sin: (
        rope(norm(q, q_gain), cos, sin),
        rope(norm(k, k_gain), cos, sin),
    )


def _over(x: Tensor, gain: Tensor, axes: int | tuple[int, ...]) -> Tensor:
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + EPS) * gain


_MISTAKES = {
    "Nothing is normalised: the queries and keys come back only turned.": _with_norm(
        lambda x, gain: x
    ),
    "The queries are right, but the keys are only turned: they are normalised too.": (
        lambda q, k, q_gain, k_gain, cos, sin: (
            rope(rms_norm(q, q_gain, EPS), cos, sin),
            rope(k, cos, sin),
        )
    ),
    "You turn first and normalise after. The gains differ from channel to channel, so they must be "
    "on before RoPE mixes the channels of a pair: after it, a score no longer depends on the "
    "distance alone.": lambda q, k, q_gain, k_gain, cos, sin: (
        rms_norm(rope(q, cos, sin), q_gain, EPS),
        rms_norm(rope(k, cos, sin), k_gain, EPS),
    ),
    "You normalise all heads of a token together. Each head is normalised by itself: the mean runs "
    "over d_head alone, the last axis.": _with_norm(lambda x, gain: _over(x, gain, (1, 3))),
    "You normalise over the sequence: a token's query would depend on later tokens. The mean runs "
    "over the last axis.": _with_norm(lambda x, gain: _over(x, gain, 2)),
    "You divide by the length of the vector, the root of the *sum* of squares. RMSNorm divides by "
    "the root of their *mean*: a head of 4 then has length sqrt(4) = 2, not 1.": _with_norm(
        lambda x, gain: x * torch.rsqrt(x.square().sum(-1, keepdim=True) + EPS) * gain
    ),
    "You divide by the mean of the squares, not by its root: a vector twice as large comes out "
    "half as large.": _with_norm(
        lambda x, gain: x / (x.square().mean(-1, keepdim=True) + EPS) * gain
    ),
    "You subtract the mean and divide by the spread: LayerNorm. RMSNorm subtracts nothing.": (
        _with_norm(lambda x, gain: _over(x - x.mean(-1, keepdim=True), gain, -1))
    ),
    "The gains are left out.": _with_norm(lambda x, gain: _over(x, torch.ones_like(gain), -1)),
    "The gains have changed places: q_gain belongs to the queries.": (
        lambda q, k, q_gain, k_gain, cos, sin: _right(q, k, k_gain, q_gain, cos, sin)
    ),
    "Both use the query's gain: keys have a gain of their own.": (
        lambda q, k, q_gain, k_gain, cos, sin: _right(q, k, q_gain, q_gain, cos, sin)
    ),
    "The positions are left out: RoPE comes after the norm.": (
        lambda q, k, q_gain, k_gain, cos, sin: (rms_norm(q, q_gain, EPS), rms_norm(k, k_gain, EPS))
    ),
}

qk_norm = Exercise(
    name="architecture/qk_norm",
    title="QK-norm",
    answer="my_qk_norm",
    kind="warm-up",
    minutes=15,
    points=5,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("the size of the queries doesn't matter", _size_fault),),
    gradients=(0, 1, 2, 3),
    forbidden=("rms_norm", "RMSNorm"),
)
