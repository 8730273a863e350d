"""Answers to GRPO's advantages as learners write them: wrong with their hint, and right."""

import statistics

import torch


def by_rows(rewards, scale):
    out = []
    for group in rewards:
        centred = group - group.mean()
        out.append(centred / (group.std() + 1e-4) if scale else centred)
    return torch.stack(out) if out else torch.zeros_like(rewards)


def by_hand(rewards, scale):
    n = rewards.shape[1]
    mean = rewards.sum(1) / n
    centred = rewards - mean[:, None]
    if not scale:
        return centred
    std = (centred.square().sum(1) / (n - 1)).sqrt()
    return centred / (std[:, None] + 1e-4)


def by_lists(rewards, scale):
    out = []
    for group in rewards.tolist():
        mean = statistics.fmean(group)
        by = statistics.stdev(group) + 1e-4 if scale else 1.0
        out.append([(r - mean) / by for r in group])
    return torch.tensor(out).reshape(rewards.shape)


def over_the_batch(rewards, scale):
    centred = rewards - rewards.mean()
    return centred / (rewards.std() + 1e-4) if scale else centred


def over_the_groups(rewards, scale):
    centred = rewards - rewards.mean(dim=0)
    return centred / (rewards.std(dim=0) + 1e-4) if scale else centred


def forgets_keepdim(rewards, scale):
    centred = rewards - rewards.mean(-1)
    return centred / (rewards.std(-1) + 1e-4) if scale else centred


def divides_by_n(rewards, scale):
    centred = rewards - rewards.mean(-1, keepdim=True)
    std = centred.pow(2).mean(-1, keepdim=True).sqrt()
    return centred / (std + 1e-4) if scale else centred


def divides_zero_by_zero(rewards, scale):
    centred = rewards - rewards.mean(-1, keepdim=True)
    return centred / rewards.std(-1, keepdim=True) if scale else centred


def eps_under_the_root(rewards, scale):
    centred = rewards - rewards.mean(-1, keepdim=True)
    return centred / torch.sqrt(rewards.var(-1, keepdim=True) + 1e-4) if scale else centred


def divides_by_the_variance(rewards, scale):
    centred = rewards - rewards.mean(-1, keepdim=True)
    return centred / (rewards.var(-1, keepdim=True) + 1e-4) if scale else centred


def only_scales(rewards, scale):
    return rewards / (rewards.std(-1, keepdim=True) + 1e-4) if scale else rewards


def always_scales(rewards, scale):
    return by_hand(rewards, True)


def never_scales(rewards, scale):
    return by_hand(rewards, False)


def leaves_one_out(rewards, scale):
    n = rewards.shape[-1]
    others = (rewards.sum(-1, keepdim=True) - rewards) / (n - 1)
    centred = rewards - others
    return centred / (rewards.std(-1, keepdim=True) + 1e-4) if scale else centred


def by_rank(rewards, scale):
    return rewards.argsort(-1).argsort(-1).float() - (rewards.shape[-1] - 1) / 2


WRONG = {
    over_the_batch: "over the whole batch",
    over_the_groups: "down the columns",
    forgets_keepdim: "It raised RuntimeError",
    divides_by_n: "Divide by n - 1",
    divides_zero_by_zero: "divide 0 by 0",
    eps_under_the_root: "under the root",
    divides_by_the_variance: "divide by the variance",
    only_scales: "don't subtract the mean",
    always_scales: "`scale` is not used",
    never_scales: "You never divide",
    leaves_one_out: "RLOO",
    by_rank: "Farthest apart",
}
RIGHT = [by_rows, by_hand, by_lists]
