"""Answers to pass@k as learners write them: wrong with their hint, and right."""

import math
from itertools import combinations

import numpy as np
import torch


def check_k(counts, k):
    for n, _ in counts:
        if n < k:
            raise ValueError(f"cannot draw {k} of {n}")


def with_comb(counts, k):
    check_k(counts, k)
    return sum(1 - math.comb(n - c, k) / math.comb(n, k) for n, c in counts) / len(counts)


def with_numpy(counts, k):
    check_k(counts, k)
    values = []
    for n, c in counts:
        left = np.arange(n - c + 1, n + 1)
        values.append(1.0 if n - c < k else 1.0 - np.prod(1.0 - k / left))
    return float(np.mean(values))


def one_draw_after_the_other(counts, k):
    check_k(counts, k)
    total = torch.zeros((), dtype=torch.double)
    for n, c in counts:
        wrong = torch.ones((), dtype=torch.double)
        for i in range(k):
            wrong *= max(n - c - i, 0) / (n - i)
        total += 1 - wrong
    return total / len(counts)


def with_lgamma(counts, k):
    check_k(counts, k)

    def log_comb(n, m):
        return math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)

    wrong = [math.exp(log_comb(n - c, k) - log_comb(n, k)) if n - c >= k else 0 for n, c in counts]
    return 1 - sum(wrong) / len(wrong)


def draws_with_replacement(counts, k):
    check_k(counts, k)
    p = torch.tensor([c / n for n, c in counts], dtype=torch.double)
    return (1 - (1 - p) ** k).mean()


def ignores_k(counts, k):
    check_k(counts, k)
    return float(np.mean([c / n for n, c in counts]))


def wants_all_right(counts, k):
    check_k(counts, k)
    return sum(math.comb(c, k) / math.comb(n, k) for n, c in counts) / len(counts)


def gives_the_failures(counts, k):
    check_k(counts, k)
    return sum(math.comb(n - c, k) / math.comb(n, k) for n, c in counts) / len(counts)


def pools(counts, k):
    check_k(counts, k)
    n, c = map(sum, zip(*counts, strict=True))
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def any_right(counts, k):
    check_k(counts, k)
    return sum(c > 0 for n, c in counts) / len(counts)


def with_factorials_in_floats(counts, k):
    check_k(counts, k)

    def comb(n, m):
        if m > n:
            return 0.0
        return float(math.factorial(n)) / float(math.factorial(m)) / float(math.factorial(n - m))

    return sum(1 - comb(n - c, k) / comb(n, k) for n, c in counts) / len(counts)


def lists_every_set_up_to_a_hundred(counts, k):
    check_k(counts, k)
    total = 0
    for n, c in counts:
        if n > 20:
            n, c = 20, round(20 * c / n)
        sets = list(combinations([True] * c + [False] * (n - c), min(k, 3)))
        total += sum(map(any, sets)) / len(sets)
    return total / len(counts)


def ends_the_range_early(counts, k):
    check_k(counts, k)
    values = [1 - np.prod(1 - k / np.arange(n - c, n)) if n - c >= k else 1 for n, c in counts]
    return float(sum(values) / len(values))


def forgets_the_mean(counts, k):
    check_k(counts, k)
    return [1 - math.comb(n - c, k) / math.comb(n, k) for n, c in counts]


def never_refuses(counts, k):
    return sum(1 - math.comb(n - c, k) / max(1, math.comb(n, k)) for n, c in counts) / len(counts)


WRONG = {
    draws_with_replacement: "draws with replacement",
    ignores_k: "pass@1",
    wants_all_right: "all k samples are right",
    gives_the_failures: "take one minus it",
    pools: "into one pot",
    any_right: "pass@n",
    with_factorials_in_floats: "OverflowError",
    lists_every_set_up_to_a_hundred: "You have",
    ends_the_range_early: "begins and ends one too early",
    forgets_the_mean: "You have",
    never_refuses: "raise a ValueError",
}
RIGHT = [with_comb, with_numpy, one_draw_after_the_other, with_lgamma]
