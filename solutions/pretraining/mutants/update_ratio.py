"""Answers to the update ratio as learners write them: wrong with their hint, and right."""

import math

import torch


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def by_one_vector(before, after):
    old, new = flat(before), flat(after)
    return ((new - old).norm() / old.norm()).item()


def as_a_tensor(before, after):
    return (flat(after) - flat(before)).norm() / flat(before).norm()


def by_hypot(before, after):
    moves = [(b - a).norm().item() for a, b in zip(before, after, strict=True)]
    return math.hypot(*moves) / math.hypot(*(w.norm().item() for w in before))


def averages_the_ratios(before, after):
    ratios = [((b - a).norm() / a.norm()).item() for a, b in zip(before, after, strict=True)]
    return sum(ratios) / len(ratios)


def over_the_new_weights(before, after):
    return ((flat(after) - flat(before)).norm() / flat(after).norm()).item()


def compares_lengths(before, after):
    return abs((flat(after).norm() / flat(before).norm()).item() - 1)


def without_the_root(before, after):
    return ((flat(after) - flat(before)).square().sum() / flat(before).square().sum()).item()


def adds_lengths(before, after):
    moved = sum((b - a).norm() for a, b in zip(before, after, strict=True))
    return (moved / sum(a.norm() for a in before)).item()


def the_step_alone(before, after):
    return torch.linalg.vector_norm(flat(after) - flat(before)).item()


def by_absolute_values(before, after):
    return ((flat(after) - flat(before)).abs().sum() / flat(before).abs().sum()).item()


def of_the_first_tensor(before, after):
    return by_one_vector(before[:1], after[:1])


def upside_down(before, after):
    return 1 / max(by_one_vector(before, after), 1e-9)


WRONG = {
    averages_the_ratios: "mean of the tensors' own ratios",
    over_the_new_weights: "divide by the length after the step",
    compares_lengths: "compare the two lengths",
    without_the_root: "You forgot the root",
    adds_lengths: "Lengths don't add",
    the_step_alone: "length of the step alone",
    by_absolute_values: "You have",
    of_the_first_tensor: "a matrix and a vector",
    upside_down: "You have",
}
RIGHT = [by_one_vector, as_a_tensor, by_hypot]
