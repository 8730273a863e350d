"""RoPE: every pair turned by its own rate times its own position."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.architecture.ops import rope as turn
from course_lib.architecture.ops import rope_rates
from course_lib.architecture.positions import rope_interleaved
from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, *sizes: int, positions: list[list[int]], edge: bool = False) -> Case:
        x = torch.randn(*sizes, generator=generator)
        return Case(what, (x, torch.tensor(positions).reshape(x.shape[0], x.shape[2])), edge)

    # No farther than a hundred: float32 angles of right answers written otherwise drift apart.
    past = int(torch.randint(5, 40, (), generator=generator))
    far = int(torch.randint(50, 100, (), generator=generator))
    return [
        case("two tokens from position 0, two pairs", 1, 1, 2, 4, positions=[[0, 1]]),
        case("new tokens behind a cache", 1, 2, 2, 6, positions=[[past, past + 1]]),
        case(
            "two rows, the second packs two documents",
            2,
            3,
            4,
            12,
            positions=[[past, past + 1, past + 2, past + 3], [0, 1, 0, 1]],
        ),
        case("far away, larger heads", 2, 2, 3, 64, positions=[[far, 1, 2], [0, far, far + 1]]),
        case("one token at position 0 stays as it is", 1, 2, 1, 4, positions=[[0]], edge=True),
        case("a row of no tokens", 1, 2, 0, 4, positions=[[]], edge=True),
    ]


def _turned(
    x: Tensor,
    positions: Tensor,
    BASE: int,
    *,
    rates: Callable[[int, float], Tensor] = rope_rates,
    rotation: Callable[[Tensor, Tensor, Tensor], Tensor] = turn,
) -> Tensor:
    """RoPE with one thing to get wrong at a time; right by default."""
    angles = positions.unsqueeze(-1) * rates(x.shape[-1], float(BASE))  # [batch, seq, half]
    angles = angles.unsqueeze(1)  # the heads share them
    return rotation(x, angles.cos(), angles.sin())


def _right(x: Tensor, positions: Tensor, BASE: int) -> Tensor:
    return _turned(x, positions, BASE)


def _distance_fault(answer: Callable[[Tensor, Tensor], Tensor], seed: int) -> str | None:
    """A score is the same wherever its two tokens stand, if their distance is."""
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=generator)
    gap, shift = (int(n) for n in torch.randint(1, 20, (2,), generator=generator))
    here, there = (
        float((answer(q, torch.tensor([[at + gap]])) * answer(k, torch.tensor([[at]]))).sum())
        for at in (0, shift)
    )
    if abs(here - there) < 1e-3:
        return None
    return (
        f"A query at {gap} and a key at 0 have the score {here:.4f}; both moved on by {shift}, "
        f"{there:.4f}. Only the distance may count."
    )


def _length_fault(answer: Callable[[Tensor, Tensor], Tensor], seed: int) -> str | None:
    x = torch.randn(1, 2, 5, 8, generator=torch.Generator().manual_seed(seed))
    before, after = x.norm(dim=-1), answer(x, torch.arange(5).unsqueeze(0)).norm(dim=-1)
    at = int((before - after).abs().argmax())
    if (before - after).abs().max() < 1e-4:
        return None
    return (
        f"A vector of length {before.flatten()[at]:.4f} comes back with {after.flatten()[at]:.4f}: "
        "turning keeps lengths."
    )


def _changed(**change: Callable) -> Callable[[Tensor, Tensor, int], Tensor]:
    return lambda x, positions, BASE: _turned(x, positions, BASE, **change)


def _first_half_only(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b), dim=-1)


def _as_one_rule(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos - a * sin), dim=-1)


_MISTAKES = {
    "You turn neighbours (0, 1), (2, 3), ..., as the paper does. This exercise, like Llama in "
    "Transformers, pairs channel c with c + d_head / 2: in a head of 4, (0, 2) and (1, 3).": (
        _changed(rotation=rope_interleaved)
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
        lambda x, positions, BASE: _turned(x, torch.arange(x.shape[2]).expand_as(positions), BASE)
    ),
    "All rows get the positions of the first. With packed documents each row has its own: keep the "
    "batch axis of `positions`.": (
        lambda x, positions, BASE: _turned(x, positions[:1].expand_as(positions), BASE)
    ),
    "You count positions from 1. The first token stands at 0 and isn't turned.": (
        lambda x, positions, BASE: _turned(x, positions + 1, BASE)
    ),
    "The rates fall too slowly: the exponent is 2c / d_head, so the second of two pairs turns at "
    "BASE^(-1/2), not BASE^(-1/4).": _changed(
        rates=lambda d_head, base: rope_rates(d_head, base).sqrt()
    ),
    "The rates rise: the exponent is negative, so that the first pair is the fastest.": _changed(
        rates=lambda d_head, base: 1 / rope_rates(d_head, base)
    ),
    "All pairs turn at the same rate. Each has its own, BASE^(-2c / d_head).": _changed(
        rates=lambda d_head, base: torch.ones(d_head // 2)
    ),
}

rope = Exercise(
    name="architecture/rope",
    title="Rotary positions",
    answer="my_rope",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(
        Property("only the distance of two tokens counts", _distance_fault),
        Property("lengths stay", _length_fault),
    ),
    gradients=(0,),
    compare=partial(close, rtol=1e-3, atol=1e-4),
    constants={"BASE": (10_000, 50_000, 500_000)},
)
