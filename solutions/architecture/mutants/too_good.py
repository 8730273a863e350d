"""The block as learners mend it: wrong with their hint, and right."""

import torch
from torch.nn import functional as F

WINDOW = 4


def block_with(hide, late=False, filler=float("-inf"), scale=None, eps=1e-5, skip=True):
    """The page's block; `hide` says which keys a query may not see, from query minus key."""

    def block(x, weights, n_heads):
        rows, seq, d_model = x.shape

        def norm(x, gain):
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain

        def heads(x):
            return x.view(rows, seq, n_heads, -1).transpose(1, 2)

        normed = norm(x, weights["attention_norm"])
        q, k, v = (heads(normed @ weights[name]) for name in ("query", "key", "value"))
        scores = q @ k.mT / (scale or d_model // n_heads) ** 0.5
        at = torch.arange(seq)
        hidden = hide(at[:, None] - at[None, :])
        if late:
            shares = scores.softmax(-1).masked_fill(hidden, 0.0)
        else:
            shares = scores.masked_fill(hidden, filler).softmax(-1)
        mixed = (shares @ v).transpose(1, 2).reshape(rows, seq, d_model)
        x = x + mixed @ weights["out"] if skip else mixed @ weights["out"]
        normed = norm(x, weights["mlp_norm"])
        return x + (F.silu(normed @ weights["gate"]) * (normed @ weights["up"])) @ weights["down"]

    return block


def named(name, *arguments, **options):
    made = block_with(*arguments, **options)
    made.__name__ = made.__qualname__ = name
    return made


def by_a_table_of_positions(x, weights, n_heads):
    """Each query gathers its own few keys."""
    rows, seq, d = x.shape
    d_head = d // n_heads
    normed = F.rms_norm(x, (d,), weights["attention_norm"], 1e-5)
    q, k, v = (normed @ weights[name] for name in ("query", "key", "value"))
    mixed = torch.zeros_like(x)
    for i in range(seq):
        near = slice(max(0, i - WINDOW + 1), i + 1)
        for h in range(n_heads):
            part = slice(h * d_head, (h + 1) * d_head)
            scores = torch.einsum("bd,bkd->bk", q[:, i, part], k[:, near, part]) / d_head**0.5
            mixed[:, i, part] = torch.einsum("bk,bkd->bd", scores.softmax(-1), v[:, near, part])
    x = x + mixed @ weights["out"]
    normed = F.rms_norm(x, (d,), weights["mlp_norm"], 1e-5)
    return x + (F.silu(normed @ weights["gate"]) * (normed @ weights["up"])) @ weights["down"]


def with_the_kernel(x, weights, n_heads):
    rows, seq, d = x.shape
    normed = F.rms_norm(x, (d,), weights["attention_norm"], 1e-5)
    q, k, v = (
        (normed @ weights[name]).unflatten(-1, (n_heads, -1)).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    ones = torch.ones(seq, seq, dtype=torch.bool)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=ones.tril() & ones.triu(1 - WINDOW))
    x = x + mixed.transpose(1, 2).flatten(2) @ weights["out"]
    normed = F.rms_norm(x, (d,), weights["mlp_norm"], 1e-5)
    return x + (F.silu(normed @ weights["gate"]) * (normed @ weights["up"])) @ weights["down"]


def far(distance):
    return (distance < 0) | (distance >= WINDOW)


untouched = named("untouched", lambda distance: distance.abs() >= WINDOW)
WRONG = {
    untouched: "The fault is still there",
    named("only_causal", lambda distance: distance < 0): "the window is gone",
    named("one_too_long", lambda distance: (distance < 0) | (distance > WINDOW)): "one too long",
    named("one_too_short", lambda d: (d < 0) | (d > WINDOW - 2)): "one too short",
    named("hides_itself", lambda distance: (distance <= 0) | (distance >= WINDOW)): "sees itself",
    named("upside_down", lambda distance: (distance > 0) | (distance <= -WINDOW)): "turned round",
    named("sees_one_ahead", lambda d: (d < -1) | (d >= WINDOW)): "Farthest apart",
    named("forgets_abs", lambda distance: distance >= WINDOW): "Farthest apart",
    named("masks_late", far, late=True): "after the softmax",
    named("fills_with_zero", far, filler=0.0): "exp(0) = 1",
    named("mends_the_scale_too", far, scale=64): "Farthest apart",
    named("drops_the_residual", far, skip=False): "Farthest apart",
}
RIGHT = [named("plainly", far), by_a_table_of_positions, with_the_kernel]
