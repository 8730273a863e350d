"""Answers to the reward model's loss as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F


def by_softplus(chosen, rejected, margin):
    return F.softplus(rejected + margin - chosen).mean()


def by_cross_entropy(chosen, rejected, margin):
    scores = torch.stack([chosen - margin, rejected], dim=1)
    return F.cross_entropy(scores, torch.zeros(len(chosen), dtype=torch.long))


def by_logaddexp(chosen, rejected, margin):
    d = chosen - rejected - margin
    return torch.logaddexp(torch.zeros_like(d), -d).sum() / d.numel()


def forgets_the_margin(chosen, rejected, margin):
    return F.softplus(rejected - chosen).mean()


def helps_with_the_margin(chosen, rejected, margin):
    return F.softplus(-(chosen + margin - rejected)).mean()


def subtracts_the_margin_from_the_loss(chosen, rejected, margin):
    return F.softplus(rejected - chosen).mean() - margin.mean()


def prefers_the_rejected(chosen, rejected, margin):
    return F.softplus(chosen - rejected + margin).mean()


def returns_the_log_likelihood(chosen, rejected, margin):
    return F.logsigmoid(chosen - rejected - margin).mean()


def one_loss_a_pair(chosen, rejected, margin):
    return -F.logsigmoid(chosen - rejected - margin)


def sums(chosen, rejected, margin):
    return -F.logsigmoid(chosen - rejected - margin).sum()


def overflows(chosen, rejected, margin):
    p = chosen.exp() / (chosen.exp() + (rejected + margin).exp())
    return -p.log().mean()


def log_of_the_sigmoid(chosen, rejected, margin):
    return -torch.log(torch.sigmoid(chosen - rejected - margin)).mean()


def hinge(chosen, rejected, margin):
    return F.relu(margin - (chosen - rejected)).mean()


def squares(chosen, rejected, margin):
    return ((chosen - rejected - margin) ** 2).mean()


def regresses_to_one_and_zero(chosen, rejected, margin):
    return F.softplus(-chosen).mean() + F.softplus(rejected).mean()


def leaves_python_numbers(chosen, rejected, margin):
    return torch.tensor(F.softplus(rejected + margin - chosen).mean().item())


WRONG = {
    forgets_the_margin: "margin isn't used",
    helps_with_the_margin: "You add the margin",
    subtracts_the_margin_from_the_loss: "outside the sigmoid",
    prefers_the_rejected: "expected",
    returns_the_log_likelihood: "sign in front is missing",
    one_loss_a_pair: "average over the batch",
    sums: "You sum over the batch",
    overflows: "NaN",
    log_of_the_sigmoid: "use logsigmoid",
    hinge: "That is a hinge",
    squares: "expected",
    regresses_to_one_and_zero: "expected",
    leaves_python_numbers: "does not reach it",
}
RIGHT = [by_softplus, by_cross_entropy, by_logaddexp]
