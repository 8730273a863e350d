"""Answers to the DPO loss as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F

BETA = 0.1


def by_softplus(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    policy = policy_chosen - policy_rejected
    reference = reference_chosen - reference_rejected
    return F.softplus(BETA * (reference - policy))


def by_logaddexp(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    rewards = BETA * torch.stack(
        [policy_chosen - reference_chosen, policy_rejected - reference_rejected]
    )
    return torch.logsumexp(rewards, dim=0) - rewards[0]


def by_cross_entropy(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    policy = torch.stack([policy_chosen, policy_rejected], dim=-1)
    reference = torch.stack([reference_chosen, reference_rejected], dim=-1)
    return -(BETA * (policy - reference)).log_softmax(-1)[:, 0]


def forgets_the_reference(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    return F.softplus(BETA * (policy_rejected - policy_chosen))


def learns_the_wrong_one(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -F.logsigmoid(-BETA * h)


def returns_the_objective(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return F.logsigmoid(BETA * h)


def takes_log_of_sigmoid(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -(1 / (1 + torch.exp(-BETA * h))).log()


def averages(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -F.logsigmoid(BETA * h).mean()


def scales_the_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -BETA * F.logsigmoid(h)


def forgets_beta(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return F.softplus(-h)


def forgets_the_sigmoid(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -BETA * h


def detaches_the_rejected(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = (policy_chosen - reference_chosen) - (policy_rejected.detach() - reference_rejected)
    return F.softplus(-BETA * h)


def exponentiates(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    h = policy_chosen.exp() / reference_chosen.exp() - policy_rejected.exp() / (
        reference_rejected.exp()
    )
    return F.softplus(-BETA * h)


WRONG = {
    forgets_the_reference: "reference model is missing",
    learns_the_wrong_one: "Chosen and rejected are swapped",
    returns_the_objective: "sign in front is missing",
    takes_log_of_sigmoid: "use logsigmoid",
    averages: "one loss a pair",
    scales_the_loss: "outside the sigmoid",
    forgets_beta: "BETA is not used",
    forgets_the_sigmoid: "expected",
    detaches_the_rejected: "gradient of policy_rejected does not reach it",
    exponentiates: "expected",
}
RIGHT = [by_softplus, by_logaddexp, by_cross_entropy]
