"""Answers to the broken DPO step as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F


def reply_logprob(table, ids, mask):
    logprobs = table.log_softmax(-1)[ids[:, :-1], ids[:, 1:]]
    return (logprobs * mask).sum(-1)


def loss_of(policy, reference, batch, beta, logprob=reply_logprob):
    chosen = batch["chosen"], batch["chosen_mask"]
    rejected = batch["rejected"], batch["rejected_mask"]
    h = logprob(policy, *chosen) - logprob(reference, *chosen)
    h = h - logprob(policy, *rejected) + logprob(reference, *rejected)
    return F.softplus(-beta * h).mean()


def with_backward(policy, reference, batch, beta, lr):
    policy = policy.detach().clone().requires_grad_()
    loss = loss_of(policy, reference.detach(), batch, beta)
    loss.backward()
    return policy.detach() - lr * policy.grad, loss.item()


def with_an_optimizer(policy, reference, batch, beta, lr):
    weight = torch.nn.Parameter(policy.clone())
    optimizer = torch.optim.SGD([weight], lr=lr)
    loss = loss_of(weight, reference, batch, beta)
    loss.backward()
    optimizer.step()
    return weight.data, loss.detach()


def by_cross_entropy(policy, reference, batch, beta, lr):
    def logprob(table, ids, mask):
        targets = torch.where(mask, ids[:, 1:], -100)
        logits = table[ids[:, :-1]].transpose(1, 2)
        return -F.cross_entropy(logits, targets, ignore_index=-100, reduction="none").sum(-1)

    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, reference, batch, beta, logprob)
    return (policy - lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


def mends_the_reference_alone(policy, reference, batch, beta, lr):
    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, reference, batch, beta, unmasked)
    return (policy + lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


def unmasked(table, ids, mask):
    return table.log_softmax(-1)[ids[:, :-1], ids[:, 1:]].sum(-1)


def mends_the_sign_alone(policy, reference, batch, beta, lr):
    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, policy.detach(), batch, beta, unmasked)
    return (policy - lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


def leaves_the_reference(policy, reference, batch, beta, lr):
    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, policy.detach().clone(), batch, beta)
    return (policy - lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


def leaves_the_padding(policy, reference, batch, beta, lr):
    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, reference, batch, beta, unmasked)
    return (policy - lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


def leaves_the_sign(policy, reference, batch, beta, lr):
    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, reference, batch, beta)
    return (policy + lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


def takes_a_mean_of_tokens(policy, reference, batch, beta, lr):
    def logprob(table, ids, mask):
        return reply_logprob(table, ids, mask) / mask.sum(-1)

    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, reference, batch, beta, logprob)
    return (policy - lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


def lets_the_graph_live(policy, reference, batch, beta, lr):
    loss = loss_of(policy, reference, batch, beta)
    loss.backward()
    return policy - lr * policy.grad, loss.item()


def swaps_instead_of_the_sign(policy, reference, batch, beta, lr):
    policy = policy.clone().requires_grad_()
    loss = loss_of(policy, reference, batch, -beta)
    return (policy - lr * torch.autograd.grad(loss, policy)[0]).detach(), loss.item()


WRONG = {
    mends_the_reference_alone: "Two faults are left: the padding is counted",
    mends_the_sign_alone: "Two faults are left: the gains are measured",
    leaves_the_reference: "One fault is left: the gains are measured",
    leaves_the_padding: "One fault is left: the padding",
    leaves_the_sign: "One fault is left: the step goes up",
    takes_a_mean_of_tokens: "average over the tokens",
    lets_the_graph_live: "It raised RuntimeError",
    swaps_instead_of_the_sign: "Part 0 of what you returned",
}
RIGHT = [with_backward, with_an_optimizer, by_cross_entropy]
