"""Answers to the paired bootstrap as learners write them: wrong with their hint, and right."""

import math

import numpy as np
import torch

CONFIDENCE = 0.95


def with_numpy(first, second, picks):
    apart = np.array(second) - np.array(first)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(apart[picks.numpy()].mean(1), [tail, 100 - tail])
    return float(apart.mean()), float(low), float(high)


def with_torch(first, second, picks):
    a, b = (torch.tensor(marks, dtype=torch.double) for marks in (first, second))
    gains = b[picks].mean(1) - a[picks].mean(1)
    ends = torch.tensor([0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], dtype=torch.double)
    low, high = torch.quantile(gains, ends)
    return [(b - a).mean(), low, high]


def by_sorting(first, second, picks):
    gains = []
    for row in picks.tolist():
        gains.append(sum(second[i] - first[i] for i in row) / len(row))
    gains.sort()

    def at(share):
        place = share * (len(gains) - 1)
        below = math.floor(place)
        above = min(below + 1, len(gains) - 1)
        return gains[below] + (place - below) * (gains[above] - gains[below])

    gain = sum(b - a for a, b in zip(first, second, strict=True)) / len(first)
    return gain, at((1 - CONFIDENCE) / 2), at((1 + CONFIDENCE) / 2)


def gains_of(first, second, picks):
    return (np.array(second) - np.array(first))[picks.numpy()].mean(1)


def observed(first, second):
    return float(np.mean(second) - np.mean(first))


def subtracts_the_wrong_way(first, second, picks):
    gains = -gains_of(first, second, picks)
    return -observed(first, second), *np.quantile(gains, [0.025, 0.975]).tolist()


def cuts_five_percent_at_each_end(first, second, picks):
    gains = gains_of(first, second, picks)
    ends = np.quantile(gains, [1 - CONFIDENCE, CONFIDENCE])
    return observed(first, second), *ends.tolist()


def one_interval_each(first, second, picks):
    a, b = (np.array(marks)[picks.numpy()].mean(1) for marks in (first, second))
    low = np.quantile(b, 0.025) - np.quantile(a, 0.975)
    high = np.quantile(b, 0.975) - np.quantile(a, 0.025)
    return observed(first, second), float(low), float(high)


def picks_anew_for_the_second(first, second, picks):
    again = torch.randint(len(first), picks.shape, generator=torch.Generator().manual_seed(0))
    gains = np.array(second)[again.numpy()].mean(1) - np.array(first)[picks.numpy()].mean(1)
    return observed(first, second), *np.quantile(gains, [0.025, 0.975]).tolist()


def two_standard_errors(first, second, picks):
    se = gains_of(first, second, picks).std(ddof=1)
    gain = observed(first, second)
    return gain, float(gain - 1.959964 * se), float(gain + 1.959964 * se)


def percentiles_of_questions(first, second, picks):
    apart = (np.array(second) - np.array(first))[picks.numpy()]
    return observed(first, second), *np.quantile(apart, [0.025, 0.975]).tolist()


def mean_over_the_other_axis(first, second, picks):
    gains = (np.array(second) - np.array(first))[picks.numpy()].mean(0)
    return observed(first, second), *np.quantile(gains, [0.025, 0.975]).tolist()


def smallest_and_largest(first, second, picks):
    gains = gains_of(first, second, picks)
    return observed(first, second), float(gains.min()), float(gains.max())


def reports_the_mean_of_the_resamples(first, second, picks):
    gains = gains_of(first, second, picks)
    return float(gains.mean()), *np.quantile(gains, [0.025, 0.975]).tolist()


def shares_for_percent(first, second, picks):
    gains = gains_of(first, second, picks)
    return observed(first, second), *np.percentile(gains, [0.025, 0.975]).tolist()


def two_numbers(first, second, picks):
    return with_numpy(first, second, picks)[1:]


def an_interval_of_the_second(first, second, picks):
    means = np.array(second)[picks.numpy()].mean(1)
    return observed(first, second), *np.quantile(means, [0.025, 0.975]).tolist()


WRONG = {
    subtracts_the_wrong_way: "You subtract the second from the first",
    cuts_five_percent_at_each_end: "half of it below",
    one_interval_each: "subtract their ends",
    picks_anew_for_the_second: "You have",
    two_standard_errors: "z standard errors",
    percentiles_of_questions: "percentiles of single questions",
    mean_over_the_other_axis: "each row of `picks` is one exam",
    smallest_and_largest: "the lowest and the highest",
    reports_the_mean_of_the_resamples: "the mean of the resamples",
    shares_for_percent: "counts in percent",
    two_numbers: "You have",
    an_interval_of_the_second: "You have",
}
RIGHT = [with_numpy, with_torch, by_sorting]
