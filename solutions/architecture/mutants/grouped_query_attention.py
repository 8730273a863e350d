"""Answers to grouped-query attention as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F


def divided_by_the_model_size(q, k, v, mask):
    scale = (q.shape[1] * q.shape[-1]) ** 0.5
    return shared(q * q.shape[-1] ** 0.5 / scale, k, v, mask)


def shared(q, k, v, mask):
    heads = torch.arange(q.shape[1]) * k.shape[1] // q.shape[1]
    k, v = k[:, heads], v[:, heads]
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / q.shape[-1] ** 0.5
    scores = torch.where(mask[:, None], scores, -torch.inf)
    return torch.einsum("bhqk,bhkd->bhqd", torch.softmax(scores, -1), v)


def divides_by_d_head(q, k, v, mask):
    return shared(q / q.shape[-1] ** 0.5, k, v, mask)


def forgets_the_scale(q, k, v, mask):
    return shared(q * q.shape[-1] ** 0.5, k, v, mask)


def repeats_the_heads_in_turn(q, k, v, mask):
    n = q.shape[1] // k.shape[1]
    return shared(q, torch.cat([k] * n, dim=1), torch.cat([v] * n, dim=1), mask)


def masks_the_weights(q, k, v, mask):
    n = q.shape[1] // k.shape[1]
    scores = q @ k.repeat_interleave(n, 1).mT / q.shape[-1] ** 0.5
    return (scores.softmax(-1) * mask[:, None]) @ v.repeat_interleave(n, 1)


def multiplies_the_scores_by_the_mask(q, k, v, mask):
    n = q.shape[1] // k.shape[1]
    scores = q @ k.repeat_interleave(n, 1).mT / q.shape[-1] ** 0.5
    return (scores * mask[:, None]).softmax(-1) @ v.repeat_interleave(n, 1)


def reads_the_mask_the_other_way(q, k, v, mask):
    n = q.shape[1] // k.shape[1]
    scores = q @ k.repeat_interleave(n, 1).mT / q.shape[-1] ** 0.5
    return scores.masked_fill(mask[:, None], float("-inf")).softmax(-1) @ v.repeat_interleave(n, 1)


def assumes_a_square_causal_mask(q, k, v, mask):
    return shared(q, k, v, torch.ones_like(mask).tril())


def detaches_the_values(q, k, v, mask):
    return shared(q, k, v.detach(), mask)


def transposes_the_batch(q, k, v, mask):
    return shared(q, k, v, mask).transpose(1, 2)


def by_loops(q, k, v, mask):
    out = torch.empty_like(q)
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            of = h * k.shape[1] // q.shape[1]
            scores = (q[b, h] @ k[b, of].T * q.shape[-1] ** -0.5).masked_fill(~mask[b], -torch.inf)
            out[b, h] = scores.softmax(-1) @ v[b, of]
    return out


def by_groups(q, k, v, mask):
    b, h, t, d = q.shape
    q = q.reshape(b, k.shape[1], h // k.shape[1], t, d)
    scores = q @ k[:, :, None].mT / d**0.5
    weights = F.softmax(scores.masked_fill(~mask[:, None, None], -torch.inf), dim=-1)
    return (weights @ v[:, :, None]).reshape(b, h, t, d)


WRONG = {
    divides_by_d_head: "not by its square root",
    forgets_the_scale: "not divided by sqrt(d_head)",
    repeats_the_heads_in_turn: "repeat_interleave, not repeat",
    masks_the_weights: "mask after the softmax",
    multiplies_the_scores_by_the_mask: "exp(0) = 1",
    reads_the_mask_the_other_way: "upside down",
    assumes_a_square_causal_mask: "Farthest apart",
    divided_by_the_model_size: "root of d_model: with 4 heads of 16",
    detaches_the_values: "gradient",
    transposes_the_batch: "Your shape is",
}
RIGHT = [shared, by_loops, by_groups]
