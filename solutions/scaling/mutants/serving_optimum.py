"""Answers to the serving optimum as learners write them: wrong with their hint, and right."""

import math

import numpy as np
from scipy.optimize import brentq, minimize_scalar


def tokens(law, n, loss, root=None):
    gap = loss - law["E"] - law["A"] / n ** law["a"]
    return (law["B"] / gap) ** (1 / (root or law["b"]))


def ends(law, loss):
    gap = loss - law["E"]
    smallest = (law["A"] / gap) ** (1 / law["a"])
    best = (law["A"] * (law["a"] + law["b"]) / (gap * law["b"])) ** (1 / law["a"])
    return smallest, best


def bounded(law, loss, served, train=6, serve=2, root=None):
    low, high = ends(law, loss)

    def cost(log_n):
        n = math.exp(log_n)
        return math.log(train * n * tokens(law, n, loss, root) + serve * n * served)

    bounds = (math.log(low) + 1e-9, math.log(high))
    found = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    n = math.exp(found.x)
    return n, tokens(law, n, loss, root)


def by_search(law, loss, served):
    return bounded(law, loss, served)


def by_slope(law, loss, served):
    """Where d log(cost) / d log N = 0: training's share times its slope, and serving's."""
    low, high = ends(law, loss)

    def slope(log_n):
        n = math.exp(log_n)
        d = tokens(law, n, loss)
        saved = law["a"] * law["A"] / n ** law["a"] / (law["b"] * law["B"] / d ** law["b"])
        return 3 * d * (1 - saved) + served

    if served == 0:
        return high, tokens(law, high, loss)
    n = math.exp(brentq(slope, math.log(low) + 1e-9, math.log(high)))
    return n, tokens(law, n, loss)


def by_grid(law, loss, served):
    """A grid in log N, ever finer around its lowest point."""
    low, high = (math.log(x) for x in ends(law, loss))
    low += 1e-9
    for _ in range(5):
        grid = np.linspace(low, high, 400)
        n = np.exp(grid)
        at = int(np.argmin(3 * n * tokens(law, n, loss) + n * served))
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, 399)]
    return float(n[at]), float(tokens(law, n[at], loss))


def cheapest_to_train(law, loss, served):
    n = ends(law, loss)[1]
    return n, tokens(law, n, loss)


def smallest_possible(law, loss, served):
    n = ends(law, loss)[0] * 1.01
    return n, tokens(law, n, loss)


def serving_costs_six(law, loss, served):
    return bounded(law, loss, served, serve=6)


def serving_costs_one(law, loss, served):
    return bounded(law, loss, served, serve=1)


def training_costs_two(law, loss, served):
    return bounded(law, loss, served, train=2, serve=2)


def keeps_the_tokens(law, loss, served):
    return bounded(law, loss, served)[0], cheapest_to_train(law, loss, served)[1]


def gives_the_data_the_whole_gap(law, loss, served):
    n, _ = bounded(law, loss, served)
    return n, (law["B"] / (loss - law["E"])) ** (1 / law["b"])


def root_of_the_parameters(law, loss, served):
    return bounded(law, loss, served, root=law["a"])


def tokens_first(law, loss, served):
    return bounded(law, loss, served)[::-1]


def twenty_tokens_a_parameter(law, loss, served):
    n = cheapest_to_train(law, loss, served)[0]
    return n, 20 * n


WRONG = {
    cheapest_to_train: "cheapest to train",
    smallest_possible: "expected",
    serving_costs_six: "You charge 6N",
    serving_costs_one: "You charge N",
    training_costs_two: "You charge 6N",
    keeps_the_tokens: "kept those of the training optimum",
    gives_the_data_the_whole_gap: "belongs to an endless model",
    root_of_the_parameters: "You took the root with a",
    tokens_first: "the order asked for is (N, D)",
    twenty_tokens_a_parameter: "expected",
}
RIGHT = [by_search, by_slope, by_grid]
