"""Answers to how long an exam must be as learners write them: wrong with their hint, and right."""

import math
from statistics import NormalDist

import numpy as np

Z = NormalDist().inv_cdf


def the_formula(gap, disagreement, power):
    z = Z(0.975) + Z(power)
    return math.ceil(z**2 * (disagreement - gap**2) / gap**2)


def without_the_small_term(gap, disagreement, power):
    return round((1.96 + Z(power)) ** 2 * disagreement / gap**2)


def by_trying(gap, disagreement, power):
    n = 2
    while True:
        error = math.sqrt((disagreement - gap * gap) / n)
        if 1 - NormalDist(gap, error).cdf(1.96 * error) >= power:
            return n
        n = max(n + 1, int(1.01 * n))


def as_an_array(gap, disagreement, power):
    spread = np.sqrt(disagreement - gap**2)
    return np.ceil(((Z(0.975) + Z(power)) * spread / gap) ** 2)


def forgets_the_power(gap, disagreement, power):
    return math.ceil(1.96**2 * (disagreement - gap**2) / gap**2)


def tests_one_side(gap, disagreement, power):
    return math.ceil((Z(0.95) + Z(power)) ** 2 * (disagreement - gap**2) / gap**2)


def adds_the_squares(gap, disagreement, power):
    return math.ceil((1.96**2 + Z(power) ** 2) * (disagreement - gap**2) / gap**2)


def takes_the_wrong_tail(gap, disagreement, power):
    return max(2, math.ceil((1.96 + Z(1 - power)) ** 2 * disagreement / gap**2))


def forgets_to_square_the_gap(gap, disagreement, power):
    return math.ceil((1.96 + Z(power)) ** 2 * (disagreement - gap**2) / gap)


def compares_separate_exams(gap, disagreement, power):
    return math.ceil((1.96 + Z(power)) ** 2 * 2 * 0.25 / gap**2)


def squares_the_disagreement(gap, disagreement, power):
    return math.ceil((1.96 + Z(power)) ** 2 * disagreement**2 / gap**2)


def takes_the_root(gap, disagreement, power):
    return math.ceil((1.96 + Z(power)) ** 2 * math.sqrt(disagreement - gap**2) / gap**2)


def forgets_to_round_up(gap, disagreement, power):
    return (1.96 + Z(power)) ** 2 * (disagreement - gap**2) / gap**2


def uses_the_power_as_a_z(gap, disagreement, power):
    return math.ceil((1.96 + power) ** 2 * (disagreement - gap**2) / gap**2)


WRONG = {
    without_the_small_term: "leave out g²",
    forgets_the_power: "You forget the power",
    tests_one_side: "one side only",
    adds_the_squares: "square the two z and add",
    takes_the_wrong_tail: "from the wrong tail",
    forgets_to_square_the_gap: "not by its square",
    compares_separate_exams: "two models on different questions",
    squares_the_disagreement: "comes in twice",
    takes_the_root: "the root of the variance",
    forgets_to_round_up: "ask for a whole number",
    uses_the_power_as_a_z: "exams that see it",
}
RIGHT = [the_formula, by_trying, as_an_array]
