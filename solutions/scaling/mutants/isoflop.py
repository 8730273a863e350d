"""Answers to the IsoFLOP optimum as learners write them: wrong with their hint, and right."""

import math

import numpy as np
import torch


def by_polyfit(sizes, losses):
    c2, c1, _ = np.polyfit(np.log(sizes), losses, 2)
    return None if c2 <= 0 else math.exp(-c1 / (2 * c2))


def by_normal_equations(sizes, losses):
    x = np.log2(sizes)
    middle = x.mean()
    powers = np.stack([np.ones(len(x)), x - middle, (x - middle) ** 2], axis=1)
    _, c1, c2 = np.linalg.solve(powers.T @ powers, powers.T @ np.array(losses))
    if c2 <= 0:
        return None
    return 2.0 ** (middle - c1 / (2 * c2))


def by_torch(sizes, losses):
    x = torch.tensor(sizes, dtype=torch.float64).log10()
    middle = x.mean()
    powers = torch.stack([(x - middle) ** 2, x - middle, torch.ones_like(x)], dim=1)
    y = torch.tensor(losses, dtype=torch.float64)[:, None]
    c2, c1, _ = torch.linalg.lstsq(powers, y).solution.flatten().tolist()
    return float(10 ** (middle - c1 / c2 / 2)) if c2 > 0 else None


def by_the_object(sizes, losses):
    fitted = np.polynomial.Polynomial.fit(np.log(sizes), losses, 2)
    if fitted.deriv(2)(0) <= 0:
        return None
    return float(np.exp(fitted.deriv().roots()[0].real))


def the_lowest_run(sizes, losses):
    return min(zip(losses, sizes, strict=True))[1]


def against_n(sizes, losses):
    scale = np.mean(sizes)
    c2, c1, _ = np.polyfit(np.array(sizes) / scale, losses, 2)
    return None if c2 <= 0 else float(-c1 / (2 * c2) * scale)


def stays_among_logarithms(sizes, losses):
    c2, c1, _ = np.polyfit(np.log(sizes), losses, 2)
    return None if c2 <= 0 else -c1 / (2 * c2)


def forgets_the_two(sizes, losses):
    c2, c1, _ = np.polyfit(np.log(sizes), losses, 2)
    return None if c2 <= 0 else math.exp(-c1 / c2)


def loses_the_sign(sizes, losses):
    c2, c1, _ = np.polyfit(np.log(sizes), losses, 2)
    return None if c2 <= 0 else math.exp(c1 / (2 * c2))


def always_answers(sizes, losses):
    c = np.polynomial.polynomial.polyfit(np.log(sizes), losses, 2)
    return float(np.exp(-c[1] / (2 * c[2])))


def logarithms_to_two_bases(sizes, losses):
    c2, c1, _ = np.polyfit(np.log10(sizes), losses, 2)
    return None if c2 <= 0 else math.exp(-c1 / (2 * c2))


def coefficients_from_the_other_end(sizes, losses):
    _, c1, c2 = np.polyfit(np.log(sizes), losses, 2)
    return None if c2 <= 0 else math.exp(min(-c1 / (2 * c2), 700))


def through_the_best_three(sizes, losses):
    best = sorted(zip(losses, sizes, strict=True))[:3]
    return by_polyfit([n for _, n in best], [loss for loss, _ in best])


def of_the_logarithm_of_the_loss(sizes, losses):
    return by_polyfit(sizes, np.log(losses))


WRONG = {
    the_lowest_run: "the best size that was trained",
    against_n: "fit against log N",
    stays_among_logarithms: "You return log N",
    forgets_the_two: "lacks the 2",
    loses_the_sign: "sign of your vertex",
    always_answers: "opens downwards",
    logarithms_to_two_bases: "one base for both ways",
    coefficients_from_the_other_end: "wrong order",
    through_the_best_three: "three lowest runs",
    of_the_logarithm_of_the_loss: "expected",
}
RIGHT = [by_polyfit, by_normal_equations, by_torch, by_the_object]
