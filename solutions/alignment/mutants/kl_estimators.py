"""Answers to the KL estimators as learners write them: wrong with their hint, and right."""

import torch


def by_selection(logprobs, reference, mask):
    x = (reference - logprobs)[mask]
    if len(x) == 0:
        return torch.tensor(0.0), torch.tensor(0.0), torch.tensor(0.0)
    return -x.mean(), (x**2).mean() / 2, (x.expm1() - x).mean()


def by_where(logprobs, reference, mask):
    x = torch.where(mask, logprobs - reference, 0.0)  # log(p / p_ref)
    n = max(int(mask.sum()), 1)
    return [x.sum() / n, x.square().sum() / (2 * n), ((-x).exp() - 1 + x).sum() / n]


def by_loops(logprobs, reference, mask):
    sums, n = [0.0, 0.0, 0.0], 0
    for p, r, counted in zip(logprobs.flatten(), reference.flatten(), mask.flatten(), strict=True):
        if counted:
            ratio = (r - p).exp().item()
            log = (r - p).item()
            n += 1
            sums = [sums[0] - log, sums[1] + log * log / 2, sums[2] + ratio - 1 - log]
    return tuple(s / max(n, 1) for s in sums)


def upside_down(logprobs, reference, mask):
    return by_selection(reference, logprobs, mask)


def no_half(logprobs, reference, mask):
    k1, k2, k3 = by_selection(logprobs, reference, mask)
    return k1, 2 * k2, k3


def no_minus_one(logprobs, reference, mask):
    x = torch.where(mask, reference - logprobs, 0.0)
    n = mask.sum().clamp(min=1)
    return -x.sum() / n, (x * x).sum() / 2 / n, ((x.exp() - x) * mask).sum() / n


def ratio_minus_one(logprobs, reference, mask):
    k1, k2, k3 = by_selection(logprobs, reference, mask)
    return k1, k2, k3 - k1


def counts_padding(logprobs, reference, mask):
    x = reference - logprobs
    return -x.mean(), x.square().mean() / 2, (x.exp() - x - 1).mean()


def means_of_masked(logprobs, reference, mask):
    x = torch.where(mask, reference - logprobs, 0.0)
    return -x.mean(), x.square().mean() / 2, (x.exp() - x - 1).mean()


def row_by_row(logprobs, reference, mask):
    rows = [by_selection(*row) for row in zip(logprobs, reference, mask, strict=True)]
    return tuple(sum(k) / len(rows) for k in zip(*rows, strict=True))


def sums(logprobs, reference, mask):
    return tuple(k * mask.sum() for k in by_selection(logprobs, reference, mask))


def multiplies_by_the_mask(logprobs, reference, mask):
    x = (reference - logprobs) * mask
    n = mask.sum()
    return -x.sum() / n, x.square().sum() / 2 / n, ((x.exp() - x - 1) * mask).sum() / n


def absolute(logprobs, reference, mask):
    k1, k2, k3 = by_selection(logprobs, reference, mask)
    return k1.abs(), k2, k3


def of_probabilities(logprobs, reference, mask):
    x = torch.where(mask, reference.exp() / logprobs.exp(), 1.0)
    n = mask.sum().clamp(min=1)
    return -(x - 1).sum() / n, (x - 1).square().sum() / 2 / n, (x - 1 - x.log()).sum() / n


WRONG = {
    upside_down: "upside down",
    no_half: "k2 lacks its half",
    no_minus_one: "k3 lacks its - 1",
    ratio_minus_one: "k3 lacks its x",
    counts_padding: "You count the padding",
    means_of_masked: "by all places",
    row_by_row: "reply by reply",
    sums: "You sum over the tokens",
    multiplies_by_the_mask: "NaN times 0 is NaN",
    absolute: "expected",
    of_probabilities: "expected",
}
RIGHT = [by_selection, by_where, by_loops]
