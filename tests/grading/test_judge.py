"""What a grade says, and what it keeps to itself."""

from dataclasses import replace

import pytest
import torch

from course_lib.checks.exercise import Case
from course_lib.grading.judge import SEEDS, grade, seeds_for
from course_lib.grading.outcome import Submission
from course_lib.grading.sandbox.bubblewrap import Limits
from course_lib.grading.sandbox.pool import Pool
from course_lib.grading.screen import clean, forbidden_in, looks_names_up, without_values

HONEST = "def my_double(x):\n    return 2 * x"


def test_right_partly_wrong_and_untouched(graded):
    right = graded(HONEST)
    assert (right.status, right.points, right.said, right.review) == ("passed", 10.0, "", "")
    partly = graded("def my_double(x):\n    return 2 * x if len(x) < 4 else x")
    assert partly.status == "partly" and partly.points == 6.0
    assert partly.tests[2] == (False, "5 numbers")
    assert graded("def my_double(x):\n    raise NotImplementedError").status == "not attempted"


def test_a_mistake_is_named_and_no_value_is_said(graded):
    wrong = graded("def my_double(x):\n    return x + 2")
    assert (wrong.status, wrong.points) == ("wrong", 0.0)
    assert wrong.mistake == "You add 2: multiply."
    assert wrong.said == "2 of 2 values differ."


def test_a_changed_argument_is_named(graded):
    said = graded("def my_double(x):\n    return x.mul_(2)").said
    assert said == "Your function changed its argument in place: copy it first."


def test_a_long_message_loses_its_numbers(graded):
    said = graded("def my_double(x):\n    raise ValueError(list(range(100)))").said
    assert said.startswith("It raised ValueError: [0, 1, 2, 3, 4, 5, …, …")
    assert 'File "your answer", line 2' in said


def test_a_whole_submission(double):
    exercises = {
        "test/double": double,
        "test/other": replace(double, name="test/other", forbidden=("add",)),
        "test/none": replace(double, name="test/none"),
    }
    answers = {
        "test/double": HONEST,
        "test/other": "import torch\ndef my_double(x):\n    return torch.add(x, x)",
        "test/none": " \n",
    }
    submission = Submission(student="ann", answers=answers, problems=("one cell twice",))
    with Pool(Limits(start=300), sandboxed=False, ahead=0) as pool:
        result = grade(submission, 7, pool=pool, exercises=exercises)
    assert [one.status for one in result.graded] == ["passed", "forbidden", "not attempted"]
    assert (result.points, result.out_of) == (10.0, 30)
    assert not result.sandboxed and result.problems == ("one cell twice",)
    assert "`add`" in result.graded[1].said and result.graded[1].review
    with pytest.raises(ValueError, match="no exercise 'x'"):
        grade(Submission(student="b", answers={"x": ""}), 7, exercises=exercises)


def test_a_check_that_fails_on_what_it_got_is_our_fault(graded, double):
    broken = replace(double, cases=lambda seed: [Case("one", (object(),))])
    grade = graded(HONEST, broken)
    assert grade.points == 0 and "not gradable" in grade.status and grade.review


def test_seeds_are_secret_and_belong_to_the_text():
    first = seeds_for(b"s", "a/b", "x = 1")
    assert len(set(first)) == SEEDS and all(0 <= seed < 2**31 for seed in first)
    assert seeds_for(b"s", "a/b", "x = 1") == first
    others = [(b"t", "a/b", "x = 1"), (b"s", "a/c", "x = 1"), (b"s", "a/b", "x = 2")]
    assert all(not set(first) & set(seeds_for(*other)) for other in others)
    torch.Generator().manual_seed(first[0])


FORBIDDEN = ("softmax", "MultiheadAttention")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x.softmax(-1)", ["softmax"]),
        ("from torch import softmax", ["softmax"]),
        ("from torch.nn import (Linear,\n    MultiheadAttention as M)", ["MultiheadAttention"]),
        ("from torch import *\nsoftmax(x)", ["softmax"]),
        ("getattr(torch, 'soft\\x6dax')", ["softmax"]),
        ("eval('x.softmax(0)')", ["softmax"]),
        ("x.\uff53oftmax(-1)", ["softmax"]),
        ("softmax = x.exp() / x.exp().sum()  # torch.softmax", []),
        ("def f(x):\n    'Like x.softmax.'\n    raise ValueError('no softmax')", []),
        ("def f(:\n", []),
        ("x = '\0'", []),
    ],
)
def test_forbidden_names(source, found):
    assert forbidden_in(source, FORBIDDEN) == found


def test_names_looked_up_at_run_time_are_noticed():
    assert looks_names_up("import importlib") and looks_names_up("vars(torch)")
    assert not looks_names_up("def f(x):\n    return x")


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (
            "Farthest apart at [0]: you have 0.5, expected 0.25; 3 of 6 values differ.",
            "3 of 6 values differ.",
        ),
        ("You have 3, expected 4.", "The value is another."),
        ("Your shape is (2, 3), expected (3, 2).", "Your shape is (2, 3), expected (3, 2)."),
        ("You returned 0.25, expected it to raise ValueError.", "Expected it to raise ValueError."),
        ("You returned a list, expected a 0.123.", "The value is another."),
        ("The score moved by 0.4.", "The value is another."),
        (
            'It raised ZeroDivisionError: 0.5 by 0\n  File "checks/_x.py", line 3, in f\n    x',
            "It raised ZeroDivisionError: 0.5 by 0",
        ),
        ("", ""),
    ],
)
def test_what_is_said_holds_no_value(detail, said):
    assert without_values(detail) == said


def test_clean_takes_out_what_a_terminal_would_obey():
    assert clean("a\x1b[31mb\x07\u202ec\ud800\n\td") == "a[31mbc\n\td"
