"""Diagnose: a block whose loss is better than it can be. Its sliding window reaches forward too."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.ops import rms_norm, swiglu
from course_lib.checks.exercise import Case, Exercise, Property

Weights = Mapping[str, Tensor]
Block = Callable[[Tensor, Weights, int], Tensor]
SIZES = (  # rows, tokens, channels, heads
    ("two tokens, one head", 1, 2, 4, 1),
    ("one row longer than the window", 1, 9, 4, 1),
    ("two heads", 2, 8, 8, 2),
    ("two rows, four heads", 2, 12, 8, 4),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    cases = [Case(what, _case(*sizes, generator)) for what, *sizes in SIZES]
    return [*cases, Case("one token sees itself", _case(1, 1, 4, 1, generator), edge=True)]


def _case(
    rows: int, seq: int, d_model: int, n_heads: int, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor], int]:
    def matrix(d_in: int, d_out: int) -> Tensor:
        return torch.randn(d_in, d_out, generator=generator) * 1.5 / d_in**0.5

    d, d_ff = d_model, 2 * d_model
    weights = {
        "attention_norm": 1 + 0.2 * torch.randn(d, generator=generator),
        "query": matrix(d, d),
        "key": matrix(d, d),
        "value": matrix(d, d),
        "out": matrix(d, d),
        "mlp_norm": 1 + 0.2 * torch.randn(d, generator=generator),
        "gate": matrix(d, d_ff),
        "up": matrix(d, d_ff),
        "down": matrix(d_ff, d),
    }
    return torch.randn(rows, seq, d, generator=generator), weights, n_heads


def _block(
    x: Tensor,
    weights: Weights,
    n_heads: int,
    WINDOW: int,
    *,
    mask: Callable[[int, int], Tensor] = lambda seq, window: causal_mask(seq, window=window),
    attend: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = plain_attention,
) -> Tensor:
    """The block with one thing to get wrong at a time; right by default."""
    rows, seq, d_model = x.shape

    def heads(x: Tensor) -> Tensor:
        return x.view(rows, seq, n_heads, -1).transpose(1, 2)

    normed = rms_norm(x, weights["attention_norm"])
    q, k, v = (heads(normed @ weights[name]) for name in ("query", "key", "value"))
    mixed = attend(q, k, v, mask(seq, WINDOW)).transpose(1, 2).reshape(rows, seq, d_model)
    x = x + mixed @ weights["out"]
    normed = rms_norm(x, weights["mlp_norm"])
    return x + swiglu(normed @ weights["gate"], normed @ weights["up"]) @ weights["down"]


def _right(x: Tensor, weights: Weights, n_heads: int, WINDOW: int) -> Tensor:
    return _block(x, weights, n_heads, WINDOW)


def _later_fault(answer: Block, seed: int) -> str | None:
    """Change the last token: no output before it may move."""
    x, weights, n_heads = _case(1, 8, 8, 2, torch.Generator().manual_seed(seed))
    other = x.clone()
    other[:, -1] = -other[:, -1]
    moved = (answer(other, weights, n_heads) - answer(x, weights, n_heads)).abs().amax((0, 2))[:-1]
    if moved.max() < 1e-5:
        return None
    at = int((moved > 1e-5).nonzero()[0])
    return f"Token 7 was changed, and the output at position {at} moved by {moved[at]:.3g}."


def _distance(seq: int) -> Tensor:
    at = torch.arange(seq)
    return at[:, None] - at[None, :]


def _masked_late(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return weights.masked_fill(~mask, 0.0) @ v


def _masked_by_zero(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return scores.masked_fill(~mask, 0.0).softmax(-1) @ v


def _changed(**change) -> Callable:
    return lambda x, weights, n_heads, WINDOW: _block(x, weights, n_heads, WINDOW, **change)


_MISTAKES = {
    "The fault is still there: a token's output knows tokens that come after it. Change the last "
    "token and look which outputs move.": _changed(
        mask=lambda seq, window: _distance(seq).abs() < window
    ),
    "The leak is closed, but the window is gone: a token sees all before it, not the last few.": (
        _changed(mask=lambda seq, window: causal_mask(seq))
    ),
    "The window is closed to later tokens, but it is one too long: a window of 4 is 4 tokens, the "
    "token itself among them.": _changed(mask=lambda seq, w: causal_mask(seq, window=w + 1)),
    "The window is closed to later tokens, but it is one too short: a window of 4 is 4 tokens, the "
    "token itself among them.": _changed(mask=lambda seq, w: causal_mask(seq, window=w - 1)),
    "A token no longer sees itself, and the first one sees nothing: the softmax of nothing but "
    "-inf is NaN.": _changed(mask=lambda seq, w: (_distance(seq) > 0) & (_distance(seq) < w)),
    "Now each token sees what comes after it and nothing before: the sign of the distance is "
    "turned round.": _changed(mask=lambda seq, w: causal_mask(seq, window=w).T),
    "Later tokens are hidden after the softmax: its sum still counts them. Hide them before, with "
    "-inf.": _changed(attend=_masked_late),
    "Hidden scores are 0, and exp(0) = 1: later tokens still get weight. Put -inf.": _changed(
        attend=_masked_by_zero
    ),
}

too_good = Exercise(
    name="architecture/too_good",
    title="Too good to be true",
    answer="my_block",
    kind="diagnose",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("no output knows a later token", _later_fault),),
    constants={"WINDOW": (4, 3, 6)},
)
