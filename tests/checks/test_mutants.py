"""The generator of wrong answers: each operator on a function small enough for the head."""

import torch

from course_lib.checks.exercise import Case, Exercise
from tools.mutants import mutants, tally


def shifted_mean(x, k):
    total = x.sum()
    for i in range(k):
        total = total - i
    return total / len(x) if k > 0 else total


def test_every_operator_makes_another_function():
    said = dict(mutants(shifted_mean))
    kinds = ("mean for sum", "operator Add", "operator Mult", "compare by GtE", "range ends one")
    kinds += ("0 becomes 1", "operands swapped", "condition turned", "without:", "earlier:")
    for kind in kinds:
        assert any(kind in what for what in said), kind
    x = torch.tensor([1.0, 2.0, 6.0])
    right = shifted_mean(x, 2)
    assert shifted_mean(x, 2) == right  # the original is as it was
    values = []
    for mutant in said.values():
        try:
            values.append(float(mutant(x, 2)))
        except (NameError, UnboundLocalError):
            values.append(None)
    assert sum(value != float(right) for value in values) > len(values) // 2


def test_a_tally_counts_and_names():
    x = torch.tensor([1.0, 2.0, 6.0])
    exercise = Exercise(
        name="architecture/none",
        title="Mean",
        answer="my_mean",
        kind="build",
        minutes=1,
        points=1,
        cases=lambda seed: [Case("two steps", (x, 2)), Case("three steps", (x + 1, 3))],
        reference=shifted_mean,
        mistakes={"A mean of a mean.": lambda x, k: (x.mean() - sum(range(k))) / len(x)},
    )
    found = tally(exercise, shifted_mean)
    assert found.made == found.caught + len(found.open)
    assert found.caught > 0.6 * found.made and found.named >= 1
    assert any("GtE" in what for what in found.open)  # k is never 0 here: a hole of these cases
