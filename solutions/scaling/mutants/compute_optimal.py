"""Answers to the compute-optimal split as learners write them: wrong with their hint, and right."""

import math

from scipy.optimize import brentq, minimize_scalar


def by_search(law, flops):
    """Least loss along 6ND = C, without algebra."""

    def loss(log_n):
        n = math.exp(log_n)
        d = flops / 6 / n
        return math.log(law["A"] / n ** law["a"] + law["B"] / d ** law["b"])

    found = minimize_scalar(
        loss, bounds=(0, math.log(flops / 6)), method="bounded", options={"xatol": 1e-9}
    )
    n = math.exp(found.x)
    return n, flops / (6 * n)


def by_equal_slopes(law, flops):
    def slope(log_n):
        n = math.exp(log_n)
        d = flops / 6 / n
        first = math.log(law["a"] * law["A"]) - law["a"] * math.log(n)
        return first - math.log(law["b"] * law["B"]) + law["b"] * math.log(d)

    n = math.exp(brentq(slope, -20, math.log(flops) + 20))
    return n, flops / 6 / n


def from_the_tokens(law, flops):
    total = law["a"] + law["b"]
    g = (law["b"] * law["B"] / (law["a"] * law["A"])) ** (1 / total)
    d = g * (flops / 6) ** (law["a"] / total)
    return [flops / (6 * d), d]


def forgets_what_a_weight_costs(law, flops):
    n, d = by_equal_slopes(law, 6 * flops)
    return n, d


def counts_the_forward_pass(law, flops):
    return by_equal_slopes(law, 3 * flops)


def counts_a_seventh(law, flops):
    return by_equal_slopes(law, flops * 6 / 7)


def exponents_the_other_way(law, flops):
    a, b = law["a"], law["b"]
    n = (a * law["A"] / b / law["B"]) ** (1 / (a + b)) * (flops / 6) ** (a / (a + b))
    return n, flops / 6 / n


def sets_the_terms_equal(law, flops):
    """A / N^a = B / D^b: the terms, not their slopes."""
    a, b = law["a"], law["b"]
    n = (law["A"] / law["B"] * (flops / 6) ** b) ** (1 / (a + b))
    return n, flops / 6 / n


def prefactor_without_its_root(law, flops):
    a, b = law["a"], law["b"]
    n = a * law["A"] / (b * law["B"]) * (flops / 6) ** (b / (a + b))
    return n, flops / 6 / n


def the_rule_of_thumb(law, flops):
    d = math.sqrt(flops / 6 * 20)
    return d / 20, d


def half_and_half(law, flops):
    return math.sqrt(flops / 6), math.sqrt(flops / 6)


def tokens_first(law, flops):
    return by_equal_slopes(law, flops)[::-1]


def prefactor_upside_down(law, flops):
    a, b = law["a"], law["b"]
    n = (b * law["B"] / (a * law["A"])) ** (1 / (a + b)) * (flops / 6) ** (b / (a + b))
    return n, flops / 6 / n


WRONG = {
    forgets_what_a_weight_costs: "each weight costs COST FLOPs",
    counts_the_forward_pass: "the forward pass alone",
    counts_a_seventh: "expected",
    exponents_the_other_way: "exponents are swapped",
    sets_the_terms_equal: "the *slopes*",
    prefactor_without_its_root: "expected",
    prefactor_upside_down: "upside down",
    the_rule_of_thumb: "20 tokens a parameter",
    half_and_half: "split the budget evenly",
    tokens_first: "the order asked for is (N, D)",
}
RIGHT = [by_search, by_equal_slopes, from_the_tokens]
