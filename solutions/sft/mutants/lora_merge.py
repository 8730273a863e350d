"""Answers to LoRA's merge as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F

ALPHA = 16


def narrow(x, weight, a, b, stable):
    r = a.shape[0]
    s = ALPHA / (r**0.5 if stable else r)
    y = F.linear(x, weight.detach()) + s * F.linear(F.linear(x, a), b)
    with torch.no_grad():
        merged = weight + s * b @ a
    return y, merged


def by_einsum(x, weight, a, b, stable):
    scale = ALPHA * a.size(0) ** (-0.5 if stable else -1)
    change = torch.einsum("or,ri->oi", b, a).mul(scale)
    frozen = weight.detach()
    y = torch.einsum("bi,oi->bo", x, frozen)
    y = y + scale * torch.einsum("or,ri,bi->bo", b, a, x)
    return [y, frozen + change.detach()]


def by_rank_one_pieces(x, weight, a, b, stable):
    rank = len(a)
    scale = ALPHA / (rank if not stable else torch.tensor(float(rank)).sqrt())
    y = x @ weight.detach().T
    merged = weight.detach().clone()
    for row, column in zip(a, b.T, strict=True):
        y = y + scale * (x @ row)[:, None] * column[None]
        merged += (scale * torch.outer(column, row)).detach()
    return y, merged


def forgets_the_scale(x, weight, a, b, stable):
    weight = weight.detach()
    return x @ weight.T + x @ a.T @ b.T, (weight + b @ a).detach()


def scales_by_alpha(x, weight, a, b, stable):
    weight = weight.detach()
    return x @ weight.T + ALPHA * (x @ a.T @ b.T), (weight + ALPHA * b @ a).detach()


def ignores_the_flag(x, weight, a, b, stable):
    return narrow(x, weight, a, b, False)


def always_stable(x, weight, a, b, stable):
    return narrow(x, weight, a, b, True)


def takes_the_rank_from_b(x, weight, a, b, stable):
    s = ALPHA / (b.shape[0] ** 0.5 if stable else b.shape[0])
    weight = weight.detach()
    return x @ weight.T + s * (x @ a.T @ b.T), (weight + s * b @ a).detach()


def trains_the_weight(x, weight, a, b, stable):
    y, merged = narrow(x, weight, a, b, stable)
    return y + x @ weight.T - x @ weight.T.detach(), merged


def merges_in_the_graph(x, weight, a, b, stable):
    s = ALPHA / (len(a) ** 0.5 if stable else len(a))
    merged = weight.detach() + s * b @ a
    return x @ merged.T, merged


def merges_without_the_scale(x, weight, a, b, stable):
    y, _ = narrow(x, weight, a, b, stable)
    return y, (weight + b @ a).detach()


def returns_the_adapter_alone(x, weight, a, b, stable):
    y, merged = narrow(x, weight, a, b, stable)
    return y - x @ weight.detach().T, merged


def detaches_a(x, weight, a, b, stable):
    y, merged = narrow(x, weight, a.detach(), b, stable)
    return y, merged


WRONG = {
    forgets_the_scale: "isn't scaled",
    scales_by_alpha: "by alpha alone",
    ignores_the_flag: "`stable` changes nothing",
    always_stable: "always divide by sqrt(rank)",
    takes_the_rank_from_b: "Farthest apart",
    trains_the_weight: "gets a gradient",
    merges_in_the_graph: "hangs on the graph",
    merges_without_the_scale: "the merged matrix isn't",
    returns_the_adapter_alone: "lacks W x",
    detaches_a: "gradient of a does not reach it",
}
RIGHT = [narrow, by_einsum, by_rank_one_pieces]


def writes_into_the_callers_matrix(x, weight, a, b, stable):
    merged = narrow(x, weight, a, b, stable)
    with torch.no_grad():
        weight += 1.0
        weight += b @ a
    return merged


WRONG[writes_into_the_callers_matrix] = "in place"
