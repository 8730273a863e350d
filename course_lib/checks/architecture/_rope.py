"""The check of RoPE: every pair turned by its own rate times its own position."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.ops import rope as turn
from course_lib.architecture.ops import rope_rates
from course_lib.architecture.positions import rope_interleaved
from course_lib.checks._report import CheckReport, run_check

Rope = Callable[[Tensor, Tensor, float], Tensor]


def rope(fn: Rope) -> CheckReport:
    """Check fn(x, positions, theta) -> x, turned, half-split.

    x is [batch, n_heads, seq, d_head], positions are [batch, seq].
    """
    generator = torch.Generator().manual_seed(0)
    # The first case counts its positions from 0, like most code that never met a cache.
    cases = [
        (torch.randn(1, 1, 6, 8, generator=generator), torch.arange(6).unsqueeze(0), 100.0),
        (
            torch.randn(2, 3, 4, 12, generator=generator),
            torch.tensor([[5, 6, 7, 8], [0, 1, 0, 1]]),
            10_000.0,
        ),
    ]
    return run_check("RoPE", fn, cases, _turned, mistakes=ROPE_MISTAKES)


def _turned(
    x: Tensor,
    positions: Tensor,
    theta: float,
    *,
    rates: Callable[[int, float], Tensor] = rope_rates,
    rotation: Callable[[Tensor, Tensor, Tensor], Tensor] = turn,
) -> Tensor:
    """RoPE with one thing to get wrong at a time; right by default."""
    angles = positions.unsqueeze(-1) * rates(x.shape[-1], theta)  # [batch, seq, half]
    angles = angles.unsqueeze(1)  # the heads share them
    return rotation(x, angles.cos(), angles.sin())


def _changed(**change: Callable) -> Rope:
    return lambda x, positions, theta: _turned(x, positions, theta, **change)


def _first_half_only(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b), dim=-1)


def _as_one_rule(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos - a * sin), dim=-1)


ROPE_MISTAKES = {
    "You turn neighbours (0, 1), (2, 3), ..., as the paper does. This exercise, like Llama in "
    "Transformers, pairs channel c with c + d_head / 2: cut the head in two halves.": _changed(
        rotation=rope_interleaved
    ),
    "You turn the other way round. A model trained that way would be as good, but weights that "
    "were trained the usual way are read wrongly: a cos - b sin, b cos + a sin.": _changed(
        rotation=lambda x, cos, sin: turn(x, cos, -sin)
    ),
    "Both halves have a minus. A rotation has one: a cos - b sin, but b cos + a sin.": _changed(
        rotation=_as_one_rule
    ),
    "Only the first half is turned; the second comes back as it was.": _changed(
        rotation=_first_half_only
    ),
    "The positions are not used: you count 0, 1, 2, ... from the shape. With a cache or with "
    "packed documents a row doesn't start at 0.": (
        lambda x, positions, theta: _turned(
            x, torch.arange(x.shape[2]).expand_as(positions), theta
        )
    ),
    "You count positions from 1. The first token stands at 0 and isn't turned.": (
        lambda x, positions, theta: _turned(x, positions + 1, theta)
    ),
    "The rates fall too slowly: the exponent is 2c / d_head, with c up to d_head / 2.": _changed(
        rates=lambda d_head, theta: rope_rates(d_head, theta).sqrt()
    ),
    "The rates rise: the exponent is negative, so that the first pair is the fastest.": _changed(
        rates=lambda d_head, theta: 1 / rope_rates(d_head, theta)
    ),
    "All pairs turn at the same rate. Each has its own, theta^(-2c / d_head).": _changed(
        rates=lambda d_head, theta: torch.ones(d_head // 2)
    ),
}
