"""Answers to the leap at every restart as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F


def gradient(weight, inputs, targets):
    leaf = weight.detach().clone().requires_grad_()
    loss = F.cross_entropy(leaf[inputs], targets)
    loss.backward()
    return loss.item(), leaf.grad


def mended(state, batches, steps, lr, warmup):
    weight, exp_avg, exp_avg_sq = state["weight"], state["exp_avg"], state["exp_avg_sq"]
    losses = []
    for step in range(state["step"], state["step"] + steps):
        loss, grad = gradient(weight, *batches[step % len(batches)])
        losses.append(loss)
        exp_avg = 0.9 * exp_avg + 0.1 * grad
        exp_avg_sq = 0.999 * exp_avg_sq + 0.001 * grad**2
        t = step + 1
        rate = lr * min(1.0, t / warmup)
        weight = weight - rate * (exp_avg / (1 - 0.9**t)) / (
            (exp_avg_sq / (1 - 0.999**t)).sqrt() + 1e-8
        )
    step = state["step"] + steps
    return {"step": step, "weight": weight, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}, losses


def in_place_on_copies(state, batches, steps, lr, warmup):
    state = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in state.items()}
    losses = []
    for _ in range(steps):
        loss, grad = gradient(state["weight"], *batches[state["step"] % len(batches)])
        state["step"] += 1
        t = state["step"]
        state["exp_avg"].lerp_(grad, 0.1)
        state["exp_avg_sq"].mul_(0.999).addcmul_(grad, grad, value=0.001)
        root = state["exp_avg_sq"].sqrt() / (1 - 0.999**t) ** 0.5 + 1e-8
        rate = lr * t / warmup if t < warmup else lr
        state["weight"].addcdiv_(state["exp_avg"], root, value=-rate / (1 - 0.9**t))
        losses.append(loss)
    return state, losses


def by_recursion(state, batches, steps, lr, warmup):
    if not steps:
        return state, []
    first, losses = mended(state, batches, 1, lr, warmup)
    last, more = by_recursion(first, batches, steps - 1, lr, warmup)
    return last, losses + more


def empty_moments(state):
    return {**state, "exp_avg": 0 * state["exp_avg"], "exp_avg_sq": 0 * state["exp_avg_sq"]}


def from_the_front(state, batches):
    """The data turned so that the run finds batch 0 where it stands."""
    at = state["step"] % len(batches)
    return batches[-at:] + batches[:-at] if at else batches


def only_the_moments_mended(state, batches, steps, lr, warmup):
    return mended(state, from_the_front(state, batches), steps, lr, warmup)


def only_the_data_mended(state, batches, steps, lr, warmup):
    return mended(empty_moments(state), batches, steps, lr, warmup)


def a_count_that_fits_empty_moments(state, batches, steps, lr, warmup):
    at = state["step"] % len(batches)
    young = {**empty_moments(state), "step": 0}
    new, losses = mended(young, batches[at:] + batches[:at], steps, lr, warmup)
    return {**new, "step": state["step"] + steps}, losses


def a_count_from_one(state, batches, steps, lr, warmup):
    at = state["step"] % len(batches)
    new, losses = mended({**state, "step": 0}, batches[at:] + batches[:at], steps, lr, warmup)
    return {**new, "step": state["step"] + steps}, losses


def forgets_the_old_steps(state, batches, steps, lr, warmup):
    new, losses = mended(state, batches, steps, lr, warmup)
    return {**new, "step": steps}, losses


def one_batch_late(state, batches, steps, lr, warmup):
    return mended(state, batches[1:] + batches[:1], steps, lr, warmup)


def without_the_warmup(state, batches, steps, lr, warmup):
    return mended(state, batches, steps, lr, 1)


def the_mean_alone(state, batches, steps, lr, warmup):
    return mended({**state, "exp_avg_sq": 0 * state["exp_avg_sq"]}, batches, steps, lr, warmup)


def returns_the_state_alone(state, batches, steps, lr, warmup):
    return mended(state, batches, steps, lr, warmup)[0]


WRONG = {
    only_the_moments_mended: "reads the data from the beginning",
    only_the_data_mended: "begin at 0 while t counts on",
    a_count_that_fits_empty_moments: "fits the empty moments",
    a_count_from_one: "keep the moments but count t from 1",
    forgets_the_old_steps: "younger than it is",
    one_batch_late: "batches are one off",
    without_the_warmup: "expected",
    the_mean_alone: "in the middle of a run",
    returns_the_state_alone: "You returned",
}
RIGHT = [mended, in_place_on_copies, by_recursion]
