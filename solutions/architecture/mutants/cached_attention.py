"""Answers to attention with a cache as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F

BASE = 10_000


def turned(x, start):
    half = x.shape[-1] // 2
    rates = BASE ** -(torch.arange(half) / half)
    angles = (start + torch.arange(x.shape[-2]))[:, None] * rates
    a, b = x.split(half, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def attend(q, keys, values, hidden=None):
    group = q.shape[1] // keys.shape[1]
    keys, values = (x.repeat_interleave(group, dim=1) for x in (keys, values))
    scores = q @ keys.mT / q.shape[-1] ** 0.5
    if hidden is not None:
        scores = scores.masked_fill(hidden, float("-inf"))
    return scores.softmax(-1) @ values


def later(new, past):
    return torch.ones(new, past + new, dtype=torch.bool).triu(diagonal=past + 1)


def plainly(q, k, v, keys, values):
    past = keys.shape[2]
    keys = torch.cat((keys, turned(k, past)), dim=2)
    values = torch.cat((values, v), dim=2)
    return attend(turned(q, past), keys, values, later(q.shape[2], past)), keys, values


def with_the_kernel(q, k, v, keys, values):
    past, new = keys.shape[2], q.shape[2]
    keys = torch.cat((keys, turned(k, past)), dim=2)
    values = torch.cat((values, v), dim=2)
    mask = torch.arange(past + new) <= past + torch.arange(new)[:, None]
    out = F.scaled_dot_product_attention(
        turned(q, past), keys, values, attn_mask=mask, enable_gqa=True
    )
    return out, keys, values


def token_by_token(q, k, v, keys, values):
    outputs = []
    for i in range(q.shape[2]):
        past = keys.shape[2]
        keys = torch.cat((keys, turned(k[:, :, i : i + 1], past)), dim=2)
        values = torch.cat((values, v[:, :, i : i + 1]), dim=2)
        outputs.append(attend(turned(q[:, :, i : i + 1], past), keys, values))
    return torch.cat(outputs, dim=2), keys, values


def head_by_head(q, k, v, keys, values):
    past = keys.shape[2]
    keys = torch.cat([keys, turned(k, past)], -2)
    values = torch.cat([values, v], -2)
    q, outputs = turned(q, past) / q.shape[-1] ** 0.5, []
    for h in range(q.shape[1]):
        of = h * k.shape[1] // q.shape[1]
        scores = q[:, h] @ keys[:, of].transpose(1, 2)
        scores = scores + torch.full_like(scores, -torch.inf).triu(past + 1)
        outputs.append(scores.softmax(-1) @ values[:, of])
    return torch.stack(outputs, dim=1), keys, values


def forgets_the_past(q, k, v, keys, values):
    past = keys.shape[2]
    q, k = turned(q, past), turned(k, past)
    out = attend(q, k, v, later(q.shape[2], 0))
    return out, torch.cat((keys, k), dim=2), torch.cat((values, v), dim=2)


def counts_from_zero(q, k, v, keys, values):
    past = keys.shape[2]
    keys = torch.cat((keys, turned(k, 0)), dim=2)
    values = torch.cat((values, v), dim=2)
    return attend(turned(q, 0), keys, values, later(q.shape[2], past)), keys, values


def turns_it_all_each_time(q, k, v, keys, values):
    past = keys.shape[2]
    keys = torch.cat((keys, k), dim=2)
    values = torch.cat((values, v), dim=2)
    out = attend(turned(q, past), turned(keys, 0), values, later(q.shape[2], past))
    return out, keys, values


def uses_is_causal(q, k, v, keys, values):
    past = keys.shape[2]
    keys = torch.cat((keys, turned(k, past)), dim=2)
    values = torch.cat((values, v), dim=2)
    out = F.scaled_dot_product_attention(
        turned(q, past), keys, values, is_causal=True, enable_gqa=True
    )
    return out, keys, values


def has_no_mask(q, k, v, keys, values):
    past = keys.shape[2]
    keys = torch.cat((keys, turned(k, past)), dim=2)
    values = torch.cat((values, v), dim=2)
    return attend(turned(q, past), keys, values), keys, values


def puts_the_new_in_front(q, k, v, keys, values):
    past = keys.shape[2]
    keys = torch.cat((turned(k, past), keys), dim=2)
    values = torch.cat((v, values), dim=2)
    return attend(turned(q, past), keys, values, later(q.shape[2], past)), keys, values


def caches_the_repeated_heads(q, k, v, keys, values):
    out, keys, values = plainly(q, k, v, keys, values)
    n = q.shape[1] // k.shape[1]
    return out, keys.repeat_interleave(n, 1), values.repeat_interleave(n, 1)


def returns_only_the_new(q, k, v, keys, values):
    return plainly(q, k, v, keys, values)[0], turned(k, keys.shape[2]), v


def returns_only_the_output(q, k, v, keys, values):
    return plainly(q, k, v, keys, values)[0]


def caches_before_the_turn(q, k, v, keys, values):
    out, _, values_now = plainly(q, k, v, keys, values)
    return out, torch.cat((keys, k), dim=2), values_now


def sees_one_too_few(q, k, v, keys, values):
    past, new = keys.shape[2], q.shape[2]
    keys = torch.cat((keys, turned(k, past)), dim=2)
    values = torch.cat((values, v), dim=2)
    hidden = torch.arange(past + new) >= past + torch.arange(new)[:, None]
    return attend(turned(q, past), keys, values, hidden), keys, values


def joins_along_the_heads(q, k, v, keys, values):
    return plainly(q, k, v, keys, values)[0], torch.cat((keys, k), 1), torch.cat((values, v), 1)


WRONG = {
    forgets_the_past: "The cache isn't read",
    counts_from_zero: "start at 0 in every step",
    turns_it_all_each_time: "turn the cached keys again",
    uses_is_causal: "starts at the cache's first token",
    has_no_mask: "see new tokens after them",
    puts_the_new_in_front: "stand before the cached ones",
    caches_the_repeated_heads: "a copy of each key head",
    returns_only_the_new: "hand back only the new",
    returns_only_the_output: "returned one Tensor, expected 3 values",
    caches_before_the_turn: "unturned",
    sees_one_too_few: "Part 0 of what you returned",
    joins_along_the_heads: "Sizes of tensors must match",
}
RIGHT = [plainly, with_the_kernel, token_by_token, head_by_head]
