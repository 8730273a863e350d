"""Answers to the likelihood of a continuation as learners write them: wrong and right."""

import math

import torch


def with_gather(logits, ids, n_context):
    rows = torch.log_softmax(logits[n_context - 1 : len(ids) - 1], dim=-1)
    return rows.gather(1, torch.tensor(ids[n_context:])[:, None]).sum().item()


def with_logsumexp(logits, ids, n_context):
    total = 0.0
    for t in range(n_context, len(ids)):
        total += logits[t - 1, ids[t]] - torch.logsumexp(logits[t - 1], -1)
    return total


def in_plain_python(logits, ids, n_context):
    total = 0.0
    for row, token in zip(logits.double().tolist()[n_context - 1 :], ids[n_context:], strict=False):
        top = max(row)
        total += row[token] - top - math.log(sum(math.exp(x - top) for x in row))
    return total


def reads_the_token_first(logits, ids, n_context):
    logp = logits.log_softmax(-1)
    return sum(logp[i, ids[i]] for i in range(n_context, len(ids)))


def scores_everything(logits, ids, n_context):
    logp = logits[:-1].log_softmax(-1)
    return logp[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum()


def averages(logits, ids, n_context):
    logp = logits[n_context - 1 : -1].log_softmax(-1)
    return logp.gather(1, torch.tensor(ids[n_context:])[:, None]).mean()


def forgets_the_softmax(logits, ids, n_context):
    return logits[n_context - 1 : -1].gather(1, torch.tensor(ids[n_context:])[:, None]).sum()


def sums_probabilities(logits, ids, n_context):
    p = torch.softmax(logits, dim=1)
    return sum(p[t - 1, ids[t]].item() for t in range(n_context, len(ids)))


def returns_the_loss(logits, ids, n_context):
    return -with_logsumexp(logits, ids, n_context)


def starts_one_late(logits, ids, n_context):
    logp = logits[n_context:-1].log_softmax(-1)
    return logp.gather(1, torch.tensor(ids[n_context + 1 :]).long()[:, None]).sum()


def takes_the_logarithm_of_softmax(logits, ids, n_context):
    p = logits.softmax(-1)
    return sum(math.log(p[t - 1, ids[t]] or 5e-324) for t in range(n_context, len(ids)))


def normalises_over_positions(logits, ids, n_context):
    logp = logits.log_softmax(0)
    return sum(logp[t - 1, ids[t]] for t in range(n_context, len(ids)))


def normalises_over_the_answer_alone(logits, ids, n_context):
    rows = logits[n_context - 1 : -1].log_softmax(0)
    return rows.gather(1, torch.tensor(ids[n_context:])[:, None]).sum()


def gives_each_token_back(logits, ids, n_context):
    logp = logits[n_context - 1 : -1].log_softmax(-1)
    return logp.gather(1, torch.tensor(ids[n_context:])[:, None])


WRONG = {
    reads_the_token_first: "Off by one",
    scores_everything: "You score the context too",
    averages: "the mean over tokens",
    forgets_the_softmax: "You add up logits",
    sums_probabilities: "add up probabilities",
    returns_the_loss: "The sign is turned",
    starts_one_late: "leave out the first token",
    takes_the_logarithm_of_softmax: "You have",
    normalises_over_positions: "runs over the positions",
    normalises_over_the_answer_alone: "You have",
    gives_each_token_back: "You have",
}
RIGHT = [with_gather, with_logsumexp, in_plain_python]
