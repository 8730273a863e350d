"""Answers to the loss scaler as learners write them: wrong with their hint, and right."""

import math

import torch

GROWTH = 2.0


def by_modulo(weight, grad, scale, good_steps, lr, interval):
    if torch.isfinite(grad).all():
        good_steps = (good_steps + 1) % interval
        return weight - lr * grad / scale, scale * (1 if good_steps else GROWTH), good_steps
    return weight, scale / 2, 0


def by_the_sum(weight, grad, scale, good_steps, lr, interval):
    """0 times a finite number is 0; 0 times an infinity or NaN is NaN."""
    if not math.isfinite((grad * 0).sum().item()):
        return weight.clone(), 0.5 * scale, 0
    new = weight.clone().sub_(grad / scale, alpha=lr)
    if good_steps + 1 >= interval:
        return new, GROWTH * scale, 0
    return new, scale, good_steps + 1


def by_a_list(weight, grad, scale, good_steps, lr, interval):
    good = all(math.isfinite(x) for x in grad.tolist())
    moved = weight - (lr / scale) * torch.where(grad.isfinite(), grad, 0.0) if good else weight
    count = good_steps + 1 if good else 0
    if not good:
        scale = scale * 0.5
    elif count == interval:
        scale, count = scale * GROWTH, 0
    return moved, scale, count


def forgets_to_unscale(weight, grad, scale, good_steps, lr, interval):
    return by_modulo(weight, grad * scale, scale, good_steps, lr, interval)


def scales_again(weight, grad, scale, good_steps, lr, interval):
    return by_modulo(weight, grad * scale**2, scale, good_steps, lr, interval)


def looks_for_inf(weight, grad, scale, good_steps, lr, interval):
    if grad.abs().max() == float("inf"):
        return weight, scale / 2, 0
    good_steps += 1
    if good_steps == interval:
        return weight - lr * grad / scale, scale * GROWTH, 0
    return weight - lr * grad / scale, scale, good_steps


def mends_the_gradient(weight, grad, scale, good_steps, lr, interval):
    whole = torch.where(grad.isfinite(), grad, torch.zeros_like(grad))
    _, scale_next, good = by_modulo(weight, grad, scale, good_steps, lr, interval)
    return weight - lr * whole / scale, scale_next, good


def steps_anyway(weight, grad, scale, good_steps, lr, interval):
    _, scale_next, good = by_modulo(weight, grad, scale, good_steps, lr, interval)
    return weight - lr * grad / scale, scale_next, good


def keeps_the_scale(weight, grad, scale, good_steps, lr, interval):
    if not grad.isfinite().all():
        return weight, scale, 0
    return by_modulo(weight, grad, scale, good_steps, lr, interval)


def keeps_counting(weight, grad, scale, good_steps, lr, interval):
    if not grad.isfinite().all():
        return weight, scale / 2, good_steps
    return by_modulo(weight, grad, scale, good_steps, lr, interval)


def grows_every_time(weight, grad, scale, good_steps, lr, interval):
    return by_modulo(weight, grad, scale, 0, lr, 1)


def never_starts_over(weight, grad, scale, good_steps, lr, interval):
    if not grad.isfinite().all():
        return weight, scale / 2, 0
    good_steps += 1
    return weight - lr * grad / scale, scale * (GROWTH if good_steps >= interval else 1), good_steps


def grows_a_step_late(weight, grad, scale, good_steps, lr, interval):
    moved, _, _ = by_modulo(weight, grad, scale, good_steps, lr, interval)
    if not grad.isfinite().all():
        return moved, scale / 2, 0
    if good_steps > interval:
        return moved, scale * GROWTH, 0
    return moved, scale, good_steps + 1


def divides_by_the_next_scale(weight, grad, scale, good_steps, lr, interval):
    good = bool(grad.isfinite().all())
    good_steps = good_steps + 1 if good else 0
    if not good:
        scale /= 2
    elif good_steps == interval:
        scale, good_steps = scale * GROWTH, 0
    return (weight - lr * grad / scale if good else weight), scale, good_steps


WRONG = {
    forgets_to_unscale: "you step with it as it is",
    scales_again: "multiply the gradient by the scale",
    looks_for_inf: "infinities only",
    mends_the_gradient: "leave out the entries",
    steps_anyway: "although a gradient isn't finite",
    keeps_the_scale: "keep the scale",
    keeps_counting: "go on counting",
    grows_every_time: "at every good step",
    never_starts_over: "don't begin to count anew",
    grows_a_step_late: "the good step that completes the interval",
    divides_by_the_next_scale: "divide by the new scale",
}
RIGHT = [by_modulo, by_the_sum, by_a_list]
