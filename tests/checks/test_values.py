"""Values of exercises: equal within a tolerance, in words, copied, and how they differ."""

import math
import random

import pytest
import torch
from torch import nn

from course_lib.checks.values import close, copied, describe, difference, in_words, same, size_of

NAN = float("nan")


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (torch.ones(2), torch.ones(2, dtype=torch.double)),
        (torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.int32)),
        (torch.tensor([NAN, 1.0]), torch.tensor([NAN, 1.0])),
        (torch.tensor([math.inf, -math.inf]), torch.tensor([math.inf, -math.inf])),
        (NAN, NAN),
        ((1, [2.0]), [1, (2.0,)]),
        ({"a": torch.zeros(0, 3)}, {"a": torch.zeros(0, 3)}),
        (torch.tensor([3]), 3),
        ("ab", "ab"),
        (None, None),
    ],
)
def test_these_are_equal(got, want):
    assert close(got, want)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1, 2])),  # floats for indices
        (torch.tensor([1, 0]), torch.tensor([True, False])),
        (torch.tensor([1.0, 0.0]), torch.tensor([True, False])),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0])),
        (torch.tensor([10_000_001]), torch.tensor([10_000_000])),  # integers have no tolerance
        (torch.zeros(2), torch.tensor([NAN, 0.0])),
        (torch.tensor([math.inf]), torch.tensor([-math.inf])),
        (torch.zeros(0, 3), torch.zeros(0, 4)),
        (NAN, 0.0),
        ("ab", ["a", "b"]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, [("a", 1)]),
        (None, torch.zeros(1)),
        (torch.ones(2), 1.0),
    ],
)
def test_these_are_not(got, want):
    assert not close(got, want)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.tensor([[0.12345, 2.0]]), "[[0.1235, 2]]"),
        (torch.tensor([[0, 1]]), "[[0, 1]]"),
        (torch.tensor([True]), "[True]"),
        (torch.tensor(0.5), "0.5"),
        (torch.zeros(13), "tensor (13,) float32"),
        (torch.zeros(0, 4, dtype=torch.long), "tensor (0, 4) int64"),
        ([0.123456789, (1, "a")], "[0.1235, (1, 'a')]"),
        ({"a": 1.5, "b": None}, "a=1.5, b=None"),
        ("x" * 100, "'" + "x" * 58 + "…"),
    ],
)
def test_a_value_in_words(value, words):
    assert describe(value) == words


def test_arguments_by_name_on_one_line_or_on_several():
    assert in_words(["x", "n"], (torch.zeros(2), 3)) == "x = [0, 0], n = 3"
    assert in_words(["text", "n"], ("a" * 57, "b" * 57)).splitlines() == [
        f"text = '{'a' * 57}'",
        f"n = '{'b' * 57}'",
    ]
    assert in_words(["x"], (1, 2)) == "1, 2"  # names that don't fit are left out


@pytest.mark.parametrize(
    ("got", "want", "said"),
    [
        (None, 1, "is there a `return`?"),
        ([1.0], torch.zeros(1), "You returned a list, expected a tensor (1,) float32"),
        (torch.zeros(2), torch.zeros(2, 1), "Your shape is (2,), expected (2, 1)"),
        (torch.zeros(2), torch.zeros(2).long(), "holds floats (float32), expected integers"),
        (torch.zeros(2).bool(), torch.zeros(2), "holds booleans (bool), expected floats"),
        (torch.tensor([NAN, 1.0]), torch.ones(2), "1 of your 2 values are NaN"),
        (torch.tensor([0.0, 1.0]), torch.ones(2), "Farthest apart at [0]: you have 0, expected 1"),
        (torch.tensor([0.0, 1.0]), torch.ones(2), "1 of 2 values differ"),
        (torch.tensor([0.0, 1.0]), torch.ones(2), "\nyou have  [0, 1]\nexpected  [1, 1]"),
        (torch.tensor([2.0]), torch.ones(1), "You have [2], expected [1]"),
        (torch.tensor([math.inf, 0.0]), torch.tensor([math.inf, 1.0]), "Farthest apart at [1]"),
        (torch.tensor([math.inf, 0.0]), torch.zeros(2), "at [0]: you have inf, expected 0"),
        ((1, torch.zeros(2)), (1, torch.ones(2)), "Part 1 of what you returned: Farthest"),
        ([1, 2], [1, 2, 3], "You returned 2 parts, expected 3"),
        ([1, 2, 3, 4], [1, 2, 0, 4], "First at place 2: 3 where 0 is expected"),
        (torch.zeros(1), (1, 2), "You returned one Tensor, expected 2 values"),
        ({"a": 1}, {"b": 1}, "Your keys are ['a'], expected ['b']"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "At 'b': You have 2, expected 3"),
        ("n" * 30 + "a", "n" * 30 + "b", "They part at character 30"),
        (1.5, 2, "You have 1.5, expected 2."),
    ],
)
def test_how_two_values_differ(got, want, said):
    assert said in difference(got, want)


def test_large_tensors_are_not_printed():
    assert "you have  " not in difference(torch.zeros(13), torch.ones(13))


def test_a_copy_shares_nothing_that_could_change():
    generator = torch.Generator().manual_seed(1)
    given = ([torch.zeros(2)], {"a": torch.ones(1)}, nn.Linear(1, 1), random.Random(0), generator)
    copy = copied(given)
    copy[0][0].add_(1), copy[1]["a"].add_(1), copy[2].weight.data.zero_()
    copy[3].random(), torch.rand(1, generator=copy[4])
    assert same(given[0], [torch.zeros(2)]) and same(given[1], {"a": torch.ones(1)})
    assert given[2].weight.item() != 0
    assert given[3].random() == random.Random(0).random()
    again = torch.Generator().manual_seed(1)
    assert torch.rand(1, generator=generator) == torch.rand(1, generator=again)


def test_a_copy_of_a_tensor_is_a_leaf_that_asks_for_its_gradient_as_before():
    weight = torch.ones(2, requires_grad=True)
    assert copied(weight * 2).is_leaf and copied(weight).requires_grad
    assert not copied(torch.ones(2)).requires_grad


def test_same_is_to_the_bit():
    assert not same(torch.ones(1), torch.ones(1) + 1e-7)
    assert same(torch.tensor([NAN]), torch.tensor([NAN]))
    assert not same([1, [2]], [1, [3]]) and not same({"a": 1}, {"b": 1})
    assert not same((1,), (1, 2))


def test_size_counts_what_there_is_to_look_at():
    assert size_of((torch.zeros(2, 3), "abc", [1, {"a": b"xy"}])) == 6 + 3 + 1 + 2


@pytest.mark.parametrize(
    ("after", "before"),
    [
        ({"a": None}, {"a": 1.0}),
        ([1, None], [1, 2]),
        ([torch.ones(2)], [[1.0, 1.0]]),
        ({"a": [1]}, {"a": (1, 2)}),
        (1, 1.0),
        (math.nan, 1.0),
        ({"a": {"b": 1}}, {"a": None}),
    ],
)
def test_what_was_put_in_the_place_of_another_thing_is_a_change(after, before):
    assert not same(after, before) and not same(before, after)
    assert same(after, after) and same(before, before)
