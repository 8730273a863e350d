"""Answers to QK-norm as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F


def turn(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def with_a_helper(q, k, q_gain, k_gain, cos, sin):
    def norm(x, gain):
        rms = (x**2).mean(dim=-1, keepdim=True).add(1e-6).sqrt()
        return gain * x / rms

    return turn(norm(q, q_gain), cos, sin), turn(norm(k, k_gain), cos, sin)


def turned_before_the_gain(q, k, q_gain, k_gain, cos, sin):
    """A turn keeps lengths, so only the gain must come before it."""
    q_size = torch.sqrt(torch.mean(turn(q, cos, sin) ** 2, -1, keepdim=True) + 1e-6)
    k_size = torch.sqrt(torch.mean(turn(k, cos, sin) ** 2, -1, keepdim=True) + 1e-6)
    return turn(q * q_gain, cos, sin) / q_size, turn(k * k_gain, cos, sin) / k_size


def head_by_head(q, k, q_gain, k_gain, cos, sin):
    def one(x, gain):
        heads = []
        for h in range(x.shape[1]):
            head = x[:, h]
            size = torch.einsum("btd,btd->bt", head, head) / head.shape[-1]
            heads.append(turn(head / (size + 1e-6).sqrt()[..., None] * gain, cos, sin))
        return torch.stack(heads, dim=1)

    return one(q, q_gain), one(k, k_gain)


def uses_the_norm(q, k, q_gain, k_gain, cos, sin):
    q = F.normalize(q, dim=-1) * q_gain
    k = F.normalize(k, dim=-1) * k_gain
    return turn(q, cos, sin), turn(k, cos, sin)


def uses_layer_norm(q, k, q_gain, k_gain, cos, sin):
    q = F.layer_norm(q, q.shape[-1:], q_gain, eps=1e-6)
    k = F.layer_norm(k, k.shape[-1:], k_gain, eps=1e-6)
    return turn(q, cos, sin), turn(k, cos, sin)


def turns_first(q, k, q_gain, k_gain, cos, sin):
    q, k = turn(q, cos, sin), turn(k, cos, sin)
    q = F.rms_norm(q, q.shape[-1:], q_gain, 1e-6)
    return q, F.rms_norm(k, k.shape[-1:], k_gain, 1e-6)


def takes_the_mean_over_tokens(q, k, q_gain, k_gain, cos, sin):
    q = q / (q.pow(2).mean(dim=-2, keepdim=True) + 1e-6).sqrt() * q_gain
    k = k / (k.pow(2).mean(dim=-2, keepdim=True) + 1e-6).sqrt() * k_gain
    return turn(q, cos, sin), turn(k, cos, sin)


def flattens_the_heads(q, k, q_gain, k_gain, cos, sin):
    def norm(x, gain):
        flat = x.transpose(1, 2).flatten(2)
        flat = F.rms_norm(flat, flat.shape[-1:], eps=1e-6)
        return flat.unflatten(2, (x.shape[1], x.shape[3])).transpose(1, 2) * gain

    return turn(norm(q, q_gain), cos, sin), turn(norm(k, k_gain), cos, sin)


def forgets_the_gains(q, k, q_gain, k_gain, cos, sin):
    q, k = (x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() for x in (q, k))
    return turn(q, cos, sin), turn(k, cos, sin)


def forgets_the_root(q, k, q_gain, k_gain, cos, sin):
    q = q_gain * q / (q.pow(2).mean(-1, keepdim=True) + 1e-6)
    k = k_gain * k / (k.pow(2).mean(-1, keepdim=True) + 1e-6)
    return turn(q, cos, sin), turn(k, cos, sin)


def forgets_the_keys(q, k, q_gain, k_gain, cos, sin):
    return with_a_helper(q, k, q_gain, k_gain, cos, sin)[0], turn(k, cos, sin)


def forgets_the_turn(q, k, q_gain, k_gain, cos, sin):
    q = F.rms_norm(q, q.shape[-1:], q_gain, 1e-6)
    return q, F.rms_norm(k, k.shape[-1:], k_gain, 1e-6)


def has_no_eps(q, k, q_gain, k_gain, cos, sin):
    q = q / q.pow(2).mean(-1, keepdim=True).sqrt() * q_gain
    k = k / k.pow(2).mean(-1, keepdim=True).sqrt() * k_gain
    return turn(q, cos, sin), turn(k, cos, sin)


def detaches_the_size(q, k, q_gain, k_gain, cos, sin):
    q = q / (q.detach().pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * q_gain
    k = k / (k.detach().pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * k_gain
    return turn(q, cos, sin), turn(k, cos, sin)


def returns_only_the_queries(q, k, q_gain, k_gain, cos, sin):
    return with_a_helper(q, k, q_gain, k_gain, cos, sin)[0]


WRONG = {
    uses_the_norm: "root of the *sum* of squares",
    uses_layer_norm: "LayerNorm",
    turns_first: "turn first and normalise after",
    takes_the_mean_over_tokens: "over the sequence",
    flattens_the_heads: "all heads of a token together",
    forgets_the_gains: "gains are left out",
    forgets_the_root: "not by its root",
    forgets_the_keys: "the keys are only turned",
    forgets_the_turn: "RoPE comes after the norm",
    has_no_eps: "values are NaN",
    detaches_the_size: "gradient of q is another",
    returns_only_the_queries: "returned one Tensor, expected 2 values",
}
RIGHT = [with_a_helper, turned_before_the_gain, head_by_head]
