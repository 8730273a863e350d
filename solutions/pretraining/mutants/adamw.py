"""Answers to one step of AdamW as learners write them: wrong with their hint, and right."""

import torch


def by_lerp(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean = mean.lerp(grad, 1 - beta1)
    square = square.lerp(grad.square(), 1 - beta2)
    rate = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    step = mean / (square.sqrt() + eps * (1 - beta2**t) ** 0.5)
    return weight * (1 - lr * decay) - rate * step, mean, square


def in_place_on_copies(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    weight, mean, square = weight.clone(), mean.clone(), square.clone()
    mean.mul_(beta1).add_(grad, alpha=1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    weight.mul_(1 - lr * decay)
    root = (square / (1 - beta2**t)).sqrt_().add_(eps)
    weight.addcdiv_(mean, root, value=-lr / (1 - beta1**t))
    return weight, mean, square


def in_double(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    w, g, m, v = (x.double() for x in (weight, grad, mean, square))
    m, v = m + (1 - beta1) * (g - m), v + (1 - beta2) * (g * g - v)
    w = w - lr * (decay * w + (m / (1 - beta1**t)) / (torch.sqrt(v / (1 - beta2**t)) + eps))
    return w.float(), m.float(), v.float()


def without_correction(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean = beta1 * mean + (1 - beta1) * grad
    square = beta2 * square + (1 - beta2) * grad**2
    return weight * (1 - lr * decay) - lr * mean / (square.sqrt() + eps), mean, square


def counts_from_zero(weight, grad, mean, square, t, *numbers):
    return by_lerp(weight, grad, mean, square, t + 1, *numbers)


def one_step_early(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    return by_lerp(weight, grad, mean, square, t - 0.5, lr, beta1, beta2, eps, decay)


def eps_in_the_root(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean = beta1 * mean + (1 - beta1) * grad
    square = beta2 * square + (1 - beta2) * grad**2
    step = mean / (1 - beta1**t) * torch.rsqrt(square / (1 - beta2**t) + eps)
    return weight * (1 - lr * decay) - lr * step, mean, square


def decay_in_the_gradient(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    return by_lerp(weight, grad + decay * weight, mean, square, t, lr, beta1, beta2, eps, 0.0)


def decay_of_its_own(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    moved, *state = by_lerp(weight, grad, mean, square, t, lr, beta1, beta2, eps, 0.0)
    return moved - decay * weight, *state


def decays_last(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    moved, *state = by_lerp(weight, grad, mean, square, t, lr, beta1, beta2, eps, 0.0)
    return moved * (1 - lr * decay), *state


def swaps_the_betas(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    return by_lerp(weight, grad, mean, square, t, lr, beta2, beta1, eps, decay)


def no_root(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean = beta1 * mean + (1 - beta1) * grad
    square = beta2 * square + (1 - beta2) * grad**2
    step = mean / (1 - beta1**t) / (square / (1 - beta2**t) + eps)
    return weight * (1 - lr * decay) - lr * step, mean, square


def keeps_the_corrected_means(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean = (beta1 * mean + (1 - beta1) * grad) / (1 - beta1**t)
    square = (beta2 * square + (1 - beta2) * grad**2) / (1 - beta2**t)
    return weight - lr * decay * weight - lr * mean / (square.sqrt() + eps), mean, square


def forgets_to_return_the_state(weight, *rest):
    return by_lerp(weight, *rest)[0], rest[1], rest[2]


def spoils_the_state(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean.mul_(beta1).add_((1 - beta1) * grad)
    square.mul_(beta2).add_((1 - beta2) * grad**2)
    step = mean / (1 - beta1**t) / ((square / (1 - beta2**t)).sqrt() + eps)
    return weight * (1 - lr * decay) - lr * step, mean, square


WRONG = {
    without_correction: "no bias correction",
    counts_from_zero: "one step too many",
    one_step_early: "Farthest apart",
    eps_in_the_root: "inside the root",
    decay_in_the_gradient: "The decay is coupled",
    decay_of_its_own: "isn't scaled by the learning rate",
    decays_last: "decay what has already moved",
    swaps_the_betas: "betas are swapped",
    no_root: "isn't rooted",
    keeps_the_corrected_means: "return the corrected means",
    forgets_to_return_the_state: "return the state as it came",
    spoils_the_state: "changed its argument in place",
}
RIGHT = [by_lerp, in_place_on_copies, in_double]
