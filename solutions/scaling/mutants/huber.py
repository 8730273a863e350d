"""Answers to the Huber objective as learners write them: wrong with their hint, and right."""

import math

import numpy as np
import torch

DELTA = 1e-3


def predicted(theta, n, d):
    e, big_a, a, big_b, b = theta
    return np.logaddexp(e, np.logaddexp(big_a - a * np.log(n), big_b - b * np.log(d)))


def with_where(theta, n, d, loss):
    r = np.abs(predicted(theta, n, d) - np.log(loss))
    return np.where(r <= DELTA, r**2 / 2, DELTA * (r - DELTA / 2)).sum()


def with_a_loop(theta, n, d, loss):
    e, big_a, a, big_b, b = theta
    total = 0.0
    for size, tokens, measured in zip(n, d, loss, strict=True):
        terms = [e, big_a - a * math.log(size), big_b - b * math.log(tokens)]
        top = max(terms)
        log_loss = top + math.log(sum(math.exp(t - top) for t in terms))
        r = abs(log_loss - math.log(measured))
        total += r * r / 2 if r <= DELTA else DELTA * (r - DELTA / 2)
    return total


def with_torch(theta, n, d, loss):
    e, big_a, a, big_b, b = torch.tensor(theta, dtype=torch.float64)
    n, d, loss = (torch.tensor(x, dtype=torch.float64) for x in (n, d, loss))
    terms = torch.stack([e.expand(len(n)), big_a - a * n.log(), big_b - b * d.log()])
    r = (terms.logsumexp(0) - loss.log()).abs()
    small = r.clamp(max=DELTA)
    return (small * (r - small / 2)).sum().item()


def in_nats(theta, n, d, loss):
    r = np.abs(np.exp(predicted(theta, n, d)) - np.array(loss))
    return np.where(r <= DELTA, r**2 / 2, DELTA * (r - DELTA / 2)).sum()


def least_squares(theta, n, d, loss):
    r = predicted(theta, n, d) - np.log(loss)
    return 0.5 * (r @ r)


def least_absolute(theta, n, d, loss):
    return np.abs(predicted(theta, n, d) - np.log(loss)).sum()


def mean_of_runs(theta, n, d, loss):
    return with_where(theta, n, d, loss) / max(len(n), 1)


def takes_theta_as_it_is(theta, n, d, loss):
    e, big_a, a, big_b, b = theta
    with np.errstate(all="ignore"):
        log_loss = np.log(e + big_a / np.power(n, a) + big_b / np.power(d, b))
        r = np.abs(log_loss - np.log(loss))
        return np.where(r <= DELTA, r**2 / 2, DELTA * (r - DELTA / 2)).sum()


def exponentials_first(theta, n, d, loss):
    e, big_a, a, big_b, b = theta
    with np.errstate(all="ignore"):
        loss_hat = np.exp(e) + np.exp(big_a) * np.power(n, -a) + np.exp(big_b) * np.power(d, -b)
        r = np.abs(np.log(loss_hat) - np.log(loss))
        return np.where(r <= DELTA, r**2 / 2, DELTA * (r - DELTA / 2)).sum()


def without_the_step_back(theta, n, d, loss):
    r = np.abs(predicted(theta, n, d) - np.log(loss))
    return np.where(r <= DELTA, r**2 / 2, DELTA * r).sum()


def pieces_swapped(theta, n, d, loss):
    r = np.abs(predicted(theta, n, d) - np.log(loss))
    return np.where(r > DELTA, r**2 / 2, DELTA * (r - DELTA / 2)).sum()


def another_delta(theta, n, d, loss):
    r = np.abs(predicted(theta, n, d) - np.log(loss))
    return np.where(r <= 1.0, r**2 / 2, r - 0.5).sum()


def logarithms_to_base_ten(theta, n, d, loss):
    r = np.abs(predicted(theta, n, d) - np.log(loss)) / np.log(10)
    return np.where(r <= DELTA, r**2 / 2, DELTA * (r - DELTA / 2)).sum()


WRONG = {
    in_nats: "difference of their *logarithms*",
    least_squares: "You square every residual",
    least_absolute: "You sum |r|",
    mean_of_runs: "You take the mean",
    takes_theta_as_it_is: "θ holds log E",
    exponentials_first: "exp(800) has no double",
    without_the_step_back: "doesn't meet the parabola",
    pieces_swapped: "wrong way round",
    another_delta: "You square every residual",
    logarithms_to_base_ten: "expected",
}
RIGHT = [with_where, with_a_loop, with_torch]
