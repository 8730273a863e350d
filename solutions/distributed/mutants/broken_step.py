"""Answers to the broken step as learners mend it: not enough, wrongly, and rightly."""

import torch
from torch.nn import functional as F


def loss_of(weight, bias, x, targets, reduction):
    weight, bias = (p.clone().requires_grad_() for p in (weight, bias))
    logits = x @ weight.T + bias
    loss = F.cross_entropy(logits, targets, ignore_index=-100, reduction=reduction)
    return [g.clone() for g in torch.autograd.grad(loss, (weight, bias))]


def clipped(gradients, clip):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * min(1.0, clip / norm.item()) for g in gradients]


def sums_and_a_count(weight, bias, x, targets, group, lr, clip):
    gw, gb = loss_of(weight, bias, x, targets, "sum")
    count = torch.tensor([float((targets != -100).sum())])
    for t in (gw, gb, count):
        group.all_reduce(t)
    gw, gb = clipped([gw / count, gb / count], clip)
    return weight - lr * gw, bias - lr * gb


def one_message(weight, bias, x, targets, group, lr, clip):
    """All that travels in one vector."""
    gw, gb = loss_of(weight, bias, x, targets, "sum")
    real = (targets >= 0).sum().float().reshape(1)
    flat = torch.cat([gw.flatten(), gb, real])
    group.all_reduce(flat)
    flat = flat[:-1] / flat[-1]
    if flat.norm() > clip:
        flat *= clip / (flat.norm() + 1e-6)
    return weight - lr * flat[: gw.numel()].view_as(gw), bias - lr * flat[gw.numel() :]


def scaled_loss(weight, bias, x, targets, group, lr, clip):
    """As shard_loss: p / T times the sum, and then the mean over the ranks."""
    tokens = (targets != -100).sum().double()
    group.all_reduce(tokens)
    weight, bias = weight.detach().requires_grad_(), bias.detach().requires_grad_()
    total = F.cross_entropy(F.linear(x, weight, bias), targets, ignore_index=-100, reduction="sum")
    (total * group.size / tokens.float()).backward()
    for p in (weight, bias):
        group.all_reduce(p.grad)
        p.grad /= group.size
    torch.nn.utils.clip_grad_norm_([weight, bias], clip)
    with torch.no_grad():
        return weight - lr * weight.grad, bias - lr * bias.grad


def as_it_was(weight, bias, x, targets, group, lr, clip):
    gw, gb = clipped(loss_of(weight, bias, x, targets, "mean"), clip)
    group.all_reduce(gw)
    return weight - lr * gw / group.size, bias - lr * gb


def mends_the_bias(weight, bias, x, targets, group, lr, clip):
    gw, gb = clipped(loss_of(weight, bias, x, targets, "mean"), clip)
    for g in (gw, gb):
        group.all_reduce(g)
        g /= group.size
    return weight - lr * gw, bias - lr * gb


def mends_bias_and_clipping(weight, bias, x, targets, group, lr, clip):
    gradients = loss_of(weight, bias, x, targets, "mean")
    for g in gradients:
        group.all_reduce(g)
        g /= group.size
    gw, gb = clipped(gradients, clip)
    return weight - lr * gw, bias - lr * gb


def mends_the_clipping(weight, bias, x, targets, group, lr, clip):
    gw, gb = loss_of(weight, bias, x, targets, "mean")
    group.all_reduce(gw)
    gw, gb = clipped([gw / group.size, gb], clip)
    return weight - lr * gw, bias - lr * gb


def mends_means_and_clipping(weight, bias, x, targets, group, lr, clip):
    gw, gb = loss_of(weight, bias, x, targets, "sum")
    count = (targets != -100).sum().float()
    group.all_reduce(gw)
    group.all_reduce(count)
    gw, gb = clipped([gw / count, gb / count], clip)
    return weight - lr * gw, bias - lr * gb


def forgets_to_divide(weight, bias, x, targets, group, lr, clip):
    gw, gb = loss_of(weight, bias, x, targets, "sum")
    group.all_reduce(gw)
    group.all_reduce(gb)
    gw, gb = clipped([gw, gb], clip)
    return weight - lr * gw, bias - lr * gb


def divides_by_its_own_tokens(weight, bias, x, targets, group, lr, clip):
    gw, gb = loss_of(weight, bias, x, targets, "sum")
    group.all_reduce(gw)
    group.all_reduce(gb)
    count = max(int((targets != -100).sum()), 1)
    gw, gb = clipped([gw / count, gb / count], clip)
    return weight - lr * gw, bias - lr * gb


def counts_the_padding(weight, bias, x, targets, group, lr, clip):
    gw, gb = loss_of(weight, bias, x, targets, "sum")
    count = torch.tensor(float(len(targets)))
    for t in (gw, gb, count):
        group.all_reduce(t)
    gw, gb = clipped([gw / count, gb / count], clip)
    return weight - lr * gw, bias - lr * gb


def only_the_first_rank_sums(weight, bias, x, targets, group, lr, clip):
    gw, gb = loss_of(weight, bias, x, targets, "mean")
    if group.rank == 0:
        group.all_reduce(gw)
    return weight - lr * gw, bias - lr * gb


WRONG = {
    as_it_was: "All three faults",
    mends_the_bias: "Two faults are left",
    mends_bias_and_clipping: "the ranks average means",
    mends_the_clipping: "keeps a bias of its own",
    mends_means_and_clipping: "One fault is left: the bias",
    forgets_to_divide: "never divide",
    divides_by_its_own_tokens: "this rank's own tokens",
    counts_the_padding: "expected",
    only_the_first_rank_sums: "never sent",
}
RIGHT = [sums_and_a_count, one_message, scaled_loss]
