"""Grouped-query attention with a cache: new tokens in, what they read out, and the longer cache."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.ops import rope, rope_tables
from course_lib.checks.exercise import Case, Exercise, Property

Step = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
SIZES = (  # rows, query heads, key heads, new tokens, cached tokens, size of a head
    ("one new token behind two cached ones", 1, 1, 1, 1, 2, 4),
    ("a prompt of three tokens, nothing cached yet", 1, 2, 2, 3, 0, 4),
    ("two query heads share a key head", 2, 4, 2, 1, 5, 8),
    ("three new tokens behind four", 2, 6, 2, 3, 4, 6),
    ("all query heads share one key head", 1, 4, 1, 2, 6, 8),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    cases = [Case(what, _case(*sizes, generator)) for what, *sizes in SIZES]
    empty = tuple(part[:0] for part in _case(2, 2, 1, 1, 3, 4, generator))
    return [*cases, Case("a batch of no rows", empty, edge=True)]


def _case(
    rows: int, n_heads: int, n_kv: int, new: int, past: int, d_head: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    q = torch.randn(rows, n_heads, new, d_head, generator=generator)
    k, v = torch.randn(2, rows, n_kv, new, d_head, generator=generator)
    keys, values = torch.randn(2, rows, n_kv, past, d_head, generator=generator)
    return q, k, v, keys, values


def _turned(x: Tensor, start: int, base: int) -> Tensor:
    """The tokens of x at positions start, start + 1, ..."""
    cos, sin = rope_tables(max(start + x.shape[2], 1), x.shape[-1], float(base))
    return rope(x, cos[start : start + x.shape[2]], sin[start : start + x.shape[2]])


def _step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    keys: Tensor,
    values: Tensor,
    BASE: int,
    *,
    first: Callable[[int], int] = lambda past: past,
    turn_q: bool = True,
    turn_v: bool = False,
    scale: Callable[[int], float] = lambda d_head: 1.0,
    mask: Callable[[int, int], Tensor] = causal_mask,
    join: Callable[[Tensor, Tensor], Tensor] = lambda old, new: torch.cat((old, new), dim=2),
    share: Callable[[Tensor, int], Tensor] = lambda x, n: x,
) -> tuple[Tensor, Tensor, Tensor]:
    """A step with one thing to get wrong at a time; right by default."""
    start = first(keys.shape[2])
    k, v = _turned(k, start, BASE), _turned(v, start, BASE) if turn_v else v
    q = (_turned(q, start, BASE) if turn_q else q) * scale(q.shape[-1])
    keys, values = join(keys, k), join(values, v)
    group = q.shape[1] // k.shape[1]
    seen = mask(q.shape[2], keys.shape[2])
    return plain_attention(q, share(keys, group), share(values, group), seen), keys, values


def _right(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, BASE: int
) -> tuple[Tensor, Tensor, Tensor]:
    return _step(q, k, v, keys, values, BASE)


def _fed(answer: Step, tokens: tuple[Tensor, ...], sizes: list[int]) -> Tensor:
    """The outputs of one row of tokens, fed in pieces of these sizes from an empty cache."""
    q, k, v = tokens
    keys, values = k[:, :, :0], v[:, :, :0]
    outputs, at = [], 0
    for size in sizes:
        piece = slice(at, at + size)
        output, keys, values = answer(q[:, :, piece], k[:, :, piece], v[:, :, piece], keys, values)
        outputs.append(output)
        at += size
    return torch.cat(outputs, dim=2)


def _pieces_fault(answer: Step, seed: int) -> str | None:
    """Token by token, or in pieces, as all at once: the cache changes nothing."""
    tokens = _case(1, 4, 2, 7, 0, 8, torch.Generator().manual_seed(seed))[:3]
    whole = _fed(answer, tokens, [7])
    for sizes in ([1] * 7, [3, 1, 2, 1]):
        apart = (_fed(answer, tokens, sizes) - whole).abs().amax((0, 1, 3))
        if apart.max() > 1e-4:
            at = int((apart > 1e-4).nonzero()[0])
            return (
                f"7 tokens fed in pieces of {sizes}: the output of token {at} is {apart[at]:.3g} "
                "away from what it is when all come at once."
            )
    return None


def _causal_fault(answer: Step, seed: int) -> str | None:
    q, k, v, keys, values = _case(1, 2, 1, 4, 3, 8, torch.Generator().manual_seed(seed))
    before = answer(q, k, v, keys, values)[0]
    k, v = k.clone(), v.clone()
    k[:, :, -1] += 1
    v[:, :, -1] -= 1
    moved = (answer(q, k, v, keys, values)[0] - before).abs().amax((0, 1, 3))[:-1]
    if moved.max() < 1e-5:
        return None
    at = int(moved.argmax())
    return (
        f"Of 4 new tokens, the last was changed, and the output of new token {at} moved by "
        f"{moved[at]:.3g}: it sees a token after it."
    )


def _changed(**change) -> Callable:
    return lambda q, k, v, keys, values, BASE: _step(q, k, v, keys, values, BASE, **change)


def _ignores_the_cache(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, BASE: int
) -> tuple[Tensor, Tensor, Tensor]:
    _, all_keys, all_values = _right(q, k, v, keys, values, BASE)
    past = keys.shape[2]
    turned = _turned(q, past, BASE), all_keys[:, :, past:], v
    return plain_attention(*turned, causal_mask(q.shape[2])), all_keys, all_values


def _turns_everything_again(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, BASE: int
) -> tuple[Tensor, Tensor, Tensor]:
    keys, values = torch.cat((keys, k), 2), torch.cat((values, v), 2)
    past = keys.shape[2] - k.shape[2]
    q, turned = _turned(q, past, BASE), _turned(keys, 0, BASE)
    return plain_attention(q, turned, values, causal_mask(q.shape[2], keys.shape[2])), keys, values


def _hands_back_the_new(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, BASE: int
) -> tuple[Tensor, Tensor, Tensor]:
    output, all_keys, _ = _right(q, k, v, keys, values, BASE)
    return output, all_keys[:, :, keys.shape[2] :], v


def _keeps_the_unturned(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, BASE: int
) -> tuple[Tensor, Tensor, Tensor]:
    output, _, all_values = _right(q, k, v, keys, values, BASE)
    return output, torch.cat((keys, k), 2), all_values


def _keeps_a_copy_for_each_head(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, BASE: int
) -> tuple[Tensor, Tensor, Tensor]:
    output, *cache = _right(q, k, v, keys, values, BASE)
    return output, *(part.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for part in cache)


_MISTAKES = {
    "The cache isn't read: the new tokens look only at one another. Put the cached keys and values "
    "before the new ones.": _ignores_the_cache,
    "The new keys stand before the cached ones. The mask and the next step count on the order of "
    "the text: torch.cat((keys, k), dim=2).": _changed(
        join=lambda old, new: torch.cat((new, old), dim=2)
    ),
    "New tokens see new tokens after them. One new token needs no mask, several do.": _changed(
        mask=lambda new, total: torch.ones(new, total, dtype=torch.bool)
    ),
    "Your mask starts at the cache's first token: new token 0 stands at position `past` and sees "
    "past + 1 keys, but your mask shows it one. Use tril(diagonal=past); is_causal=True has the "
    "same fault.": _changed(mask=lambda new, total: torch.ones(new, total).tril().bool()),
    "The positions start at 0 in every step. The first new token stands behind the cached ones, at "
    "position keys.shape[2].": _changed(first=lambda past: 0),
    "The positions are one too far: behind two cached tokens, at 0 and 1, the next stands at 2.": (
        _changed(first=lambda past: past + 1)
    ),
    "You turn the cached keys again in each step. They were turned when they came: only the new "
    "ones are turned, and the cache keeps them so.": _turns_everything_again,
    "You hand back only the new keys and values: the next step would know no older ones.": (
        _hands_back_the_new
    ),
    "Your output is right, but the cache keeps the new keys unturned: in the next step nobody "
    "turns them.": _keeps_the_unturned,
    "Your cache holds a copy of each key head for every query head that shares it. To hold fewer "
    "is what grouped queries are for: repeat after the cache, not before.": (
        _keeps_a_copy_for_each_head
    ),
    "The queries aren't turned: scores then depend on where the keys stand, not on the distance.": (
        _changed(turn_q=False)
    ),
    "The values are turned too. Positions belong into the scores: queries and keys.": _changed(
        turn_v=True
    ),
    "The scores are not divided by sqrt(d_head): by sqrt(4) = 2 in a head of 4.": _changed(
        scale=lambda d_head: d_head**0.5
    ),
    "The heads are dealt out in turn (0 1 0 1). Neighbours share a key head (0 0 1 1): "
    "repeat_interleave, not repeat.": _changed(share=lambda x, n: x.repeat(1, n, 1, 1)),
}

cached_attention = Exercise(
    name="architecture/cached_attention",
    title="Attention with a key-value cache",
    answer="my_step",
    kind="build",
    minutes=45,
    points=15,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(
        Property("in pieces as all at once", _pieces_fault),
        Property("no new token sees one after it", _causal_fault),
    ),
    constants={"BASE": (10_000, 50_000, 500_000)},
)
