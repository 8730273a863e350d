"""Answers to the tilted policy as learners write them: wrong with their hint, and right."""

import math

import torch
from torch.nn import functional as F


def by_log_softmax(reference, rewards, beta):
    logp = F.log_softmax(reference.log() + rewards / beta, dim=-1)
    p = logp.exp()
    gap = torch.where(p > 0, logp - reference.log(), 0.0)
    return (p * rewards).sum(-1).mean(), (p * gap).sum(-1).mean()


def by_the_partition(reference, rewards, beta):
    """KL = E[r] / beta - log Z, without ever forming p / p_ref."""
    log_z = torch.logsumexp(reference.log() + rewards / beta, -1)
    p = (reference.log() + rewards / beta - log_z[:, None]).exp()
    reward = (p * rewards).sum(-1)
    return reward.mean().item(), (reward / beta - log_z).mean().item()


def by_lists(reference, rewards, beta):
    total_reward, total_kl = 0.0, 0.0
    for probabilities, earned in zip(reference.tolist(), rewards.tolist(), strict=True):
        most = max(earned)
        pairs = zip(probabilities, earned, strict=True)
        weights = [q * math.exp((r - most) / beta) for q, r in pairs]
        shares = [w / sum(weights) for w in weights]
        total_reward += sum(p * r for p, r in zip(shares, earned, strict=True))
        pairs = zip(shares, probabilities, strict=True)
        total_kl += sum(p * math.log(p / q) for p, q in pairs if p > 0)
    return total_reward / len(rewards), total_kl / len(rewards)


def both(p, reference, rewards):
    kl = torch.xlogy(p, p) - torch.xlogy(p, reference)
    return (p * rewards).sum(-1).mean(), kl.sum(-1).mean()


def multiplies_by_beta(reference, rewards, beta):
    return both((reference.log() + beta * rewards).softmax(-1), reference, rewards)


def forgets_beta(reference, rewards, beta):
    return both((reference.log() + rewards).softmax(-1), reference, rewards)


def softmax_of_rewards(reference, rewards, beta):
    return both((rewards / beta).softmax(-1), reference, rewards)


def adds_probabilities(reference, rewards, beta):
    return both((reference + rewards / beta).softmax(-1), reference, rewards)


def takes_the_best(reference, rewards, beta):
    best = torch.where(reference > 0, rewards, -math.inf).argmax(-1)
    return both(F.one_hot(best, rewards.shape[-1]).float(), reference, rewards)


def stays_at_the_reference(reference, rewards, beta):
    return both(reference, reference, rewards)


def turns_the_kl_round(reference, rewards, beta):
    p = (reference.log() + rewards / beta).softmax(-1)
    kl = (reference * (reference / p).log()).sum(-1).mean()
    return (p * rewards).sum(-1).mean(), kl


def returns_the_penalty(reference, rewards, beta):
    reward, kl = by_lists(reference, rewards, beta)
    return reward, beta * kl


def returns_the_objective(reference, rewards, beta):
    reward, kl = by_lists(reference, rewards, beta)
    return reward - beta * kl, kl


def overflows(reference, rewards, beta):
    p = reference * torch.exp(rewards / beta)
    p = p / p.sum(-1, keepdim=True)
    return both(p, reference, rewards)


def log_of_zero(reference, rewards, beta):
    p = (reference.log() + rewards / beta).softmax(-1)
    return (p * rewards).sum(-1).mean(), (p * (p / reference).log()).sum(-1).mean()


def in_bits(reference, rewards, beta):
    reward, kl = by_lists(reference, rewards, beta)
    return reward, kl / math.log(2)


def over_the_prompts(reference, rewards, beta):
    return both((reference.log() + rewards / beta).softmax(0), reference, rewards)


WRONG = {
    multiplies_by_beta: "You multiply by beta",
    forgets_beta: "beta is not used",
    softmax_of_rewards: "reference is missing",
    adds_probabilities: "expected",
    takes_the_best: "always take the best reply",
    stays_at_the_reference: "where training starts",
    turns_the_kl_round: "other way",
    returns_the_penalty: "beta times the KL",
    returns_the_objective: "the whole objective",
    overflows: "overflows for a small beta",
    log_of_zero: "0 times log 0",
    in_bits: "in bits",
    over_the_prompts: "normalise over the prompts",
}
RIGHT = [by_log_softmax, by_the_partition, by_lists]
