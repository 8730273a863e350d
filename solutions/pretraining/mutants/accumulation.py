"""Answers to gradient accumulation as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F


def nats(weight, inputs, targets, reduction="sum"):
    return F.cross_entropy(weight[inputs].transpose(1, 2), targets, reduction=reduction)


def count(parts):
    return sum(int((targets != -100).sum()) for _, targets in parts)


def descend(weight, lr, max_norm):
    with torch.no_grad():
        norm = weight.grad.norm()
        if norm > max_norm:
            weight.grad *= max_norm / norm
        weight -= lr * weight.grad


def by_scaling_last(weight, steps, lr, max_norm):
    weight = torch.nn.Parameter(weight.clone())
    for parts in steps:
        weight.grad = None
        for inputs, targets in parts:
            nats(weight, inputs, targets).backward()
        weight.grad /= count(parts)
        descend(weight, lr, max_norm)
    return weight.detach()


def by_autograd_grad(weight, steps, lr, max_norm):
    weight = weight.clone()
    for parts in steps:
        total, tokens = torch.zeros_like(weight), count(parts)
        for inputs, targets in parts:
            leaf = weight.clone().requires_grad_()
            total += torch.autograd.grad(nats(leaf, inputs, targets) / tokens, leaf)[0]
        norm = total.norm()
        weight -= lr * total * (max_norm / norm if norm > max_norm else 1)
    return weight


def by_one_graph(weight, steps, lr, max_norm):
    """All parts in one backward pass: the right numbers, and the memory of all of them."""
    for parts in steps:
        weight = weight.detach().clone().requires_grad_()
        inputs, targets = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        nats(weight, inputs, targets, "mean").backward()
        torch.nn.utils.clip_grad_norm_([weight], max_norm)
        weight = weight - lr * weight.grad
    return weight.detach()


def by_hand(weight, steps, lr, max_norm):
    """softmax - onehot, without autograd."""
    weight = weight.clone()
    for parts in steps:
        grad = torch.zeros_like(weight)
        for inputs, targets in parts:
            kept = targets != -100
            before, after = inputs[kept], targets[kept]
            slope = weight[before].softmax(-1) - F.one_hot(after, weight.shape[1])
            grad.index_add_(0, before, slope)
        grad /= count(parts)
        weight -= lr * grad * (max_norm / grad.norm()).clamp(max=1.0)
    return weight


def loop(weight, steps, lr, max_norm, divide, zero_inside=False, never_zero=False):
    weight = torch.nn.Parameter(weight.clone())
    for parts in steps:
        if not never_zero:
            weight.grad = None
        for inputs, targets in parts:
            if zero_inside:
                weight.grad = None
            divide(nats(weight, inputs, targets), targets, parts).backward()
        descend(weight, lr, max_norm)
    return weight.detach()


def mean(nats, targets):
    return nats / (targets != -100).sum().clamp(min=1)


def mean_of_means(weight, steps, lr, max_norm):
    return loop(weight, steps, lr, max_norm, lambda nats, t, parts: mean(nats, t) / len(parts))


def sum_of_means(weight, steps, lr, max_norm):
    return loop(weight, steps, lr, max_norm, lambda nats, t, parts: mean(nats, t))


def never_divides(weight, steps, lr, max_norm):
    return loop(weight, steps, lr, max_norm, lambda nats, t, parts: nats)


def divides_twice(weight, steps, lr, max_norm):
    return loop(
        weight, steps, lr, max_norm, lambda nats, t, parts: nats / len(parts) / count(parts)
    )


def divides_by_all_places(weight, steps, lr, max_norm):
    return loop(weight, steps, lr, max_norm, lambda nats, t, parts: nats / (len(parts) * t.numel()))


def share(nats, targets, parts):
    return nats / count(parts)


def never_sets_to_zero(weight, steps, lr, max_norm):
    return loop(weight, steps, lr, max_norm, share, never_zero=True)


def sets_to_zero_inside(weight, steps, lr, max_norm):
    return loop(weight, steps, lr, max_norm, share, zero_inside=True)


def without_clipping(weight, steps, lr, max_norm):
    return loop(weight, steps, lr, 1e12, share)


def clips_each_value(weight, steps, lr, max_norm):
    weight = torch.nn.Parameter(weight.clone())
    for parts in steps:
        weight.grad = None
        for inputs, targets in parts:
            share(nats(weight, inputs, targets), targets, parts).backward()
        torch.nn.utils.clip_grad_value_([weight], max_norm)
        descend(weight, lr, 1e12)
    return weight.detach()


def forgets_the_rate(weight, steps, lr, max_norm):
    return by_scaling_last(weight, steps, 1.0, max_norm)


def changes_the_weight_it_got(weight, steps, lr, max_norm):
    weight.copy_(by_hand(weight, steps, lr, max_norm))
    return weight


WRONG = {
    mean_of_means: "average the parts' mean losses",
    sum_of_means: "add the parts' mean losses",
    never_divides: "never divide",
    divides_twice: "divide twice",
    divides_by_all_places: "You divide by all places",
    never_sets_to_zero: "never set to zero",
    sets_to_zero_inside: "only the last part counts",
    without_clipping: "You don't clip",
    clips_each_value: "a gradient that is longer than max_norm",
    forgets_the_rate: "Farthest apart",
    changes_the_weight_it_got: "changed its argument in place",
    by_one_graph: "nothing is saved",
}
RIGHT = [by_scaling_last, by_autograd_grad, by_hand]
