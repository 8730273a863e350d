"""The machinery behind every check: right, wrong, recognised, broken and half right answers."""

from pathlib import Path

import pytest
import torch

from course_lib.checks import progress
from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close, describe


def shares(x):
    return x / x.sum(-1, keepdim=True)


def shares_of_columns(x):
    return x / x.sum(0, keepdim=True)


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        Case("two rows", (torch.tensor([[1.0, 3.0], [2.0, 2.0]]) + seed,)),
        Case("many rows", (torch.rand(5, 4, generator=generator),)),
        Case("no rows", (torch.zeros(0, 4),), edge=True),
    ]


def not_shifted(answer, seed):
    x = torch.rand(2, 3)
    return None if close(answer(2 * x), answer(x)) else "twice the numbers have other shares"


EXERCISE = Exercise(
    name="data/shares",
    title="Shares",
    answer="my_shares",
    kind="warm-up",
    minutes=5,
    points=2,
    cases=cases,
    reference=shares,
    mistakes={"Sum over the last axis.": shares_of_columns},
    properties=(Property("the unit doesn't matter", not_shifted),),
)


def test_a_right_answer_passes(capsys):
    done = EXERCISE(lambda x: x / x.sum(1).unsqueeze(1))
    assert done.passed and done.mistake is None and done.share == 1
    assert capsys.readouterr().out == "✓ Shares\n✓ 4 of 4 tests hold\n"


def test_a_known_mistake_is_named(capsys):
    done = EXERCISE(shares_of_columns)
    assert not done.passed
    assert done.mistake == "Sum over the last axis."
    assert "Sum over the last axis." in capsys.readouterr().out


def test_an_unknown_mistake_shows_the_smallest_input_that_fails():
    done = EXERCISE(lambda x: torch.zeros_like(x))
    assert done.mistake is None
    assert done.smallest_failure.what == "two rows"
    assert "Farthest apart at [0, 1]: you have 0, expected 0.75" in str(done)


def test_an_edge_alone_earns_nothing():
    done = EXERCISE.examine(lambda x: torch.zeros_like(x), seed=3)
    assert [f.passed for f in done.findings] == [False, False, True]
    assert done.share == 0


def test_half_right_earns_a_share():
    def no_empty(x):
        if not len(x):
            raise ValueError("empty")
        return shares(x)

    assert EXERCISE.examine(no_empty, seed=3).share == 0.75


def broken(x):
    return x @ torch.ones(7)


def spoils(x):
    return x.div_(x.sum(-1, keepdim=True))


def stub(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (broken, "return x @ torch.ones(7)"),
        (spoils, "changed its argument in place"),
        (stub, "replace `raise NotImplementedError`"),
        (lambda x: None, "is there a `return`?"),
        (lambda x: x.sum(-1), "Your shape is (2,), expected (2, 2)"),
        (lambda x: x / 0, "you have inf"),
        (lambda x: x * float("nan"), "4 of your 4 values are NaN"),
        (lambda x: x.tolist(), "You returned a list"),
        (lambda x, y: x, "Your function takes (x, y), expected (x)"),
        (torch.ones(2), "expected a function of (x)"),
    ],
)
def test_what_goes_wrong_is_said(answer, said):
    done = EXERCISE(answer)
    assert not done.passed and done.share == 0
    assert said in str(done)


def test_the_traceback_is_the_learners_own():
    said = str(EXERCISE(broken))
    assert "_exercise.py" not in said and "_report.py" not in said


def test_gradients_count_where_the_exercise_says_so():
    def detached(x):
        return shares(x).detach() + 0 * x.sum()

    taught = Exercise(**{**vars(EXERCISE), "gradients": (0,), "properties": ()})
    assert taught.examine(shares, 1).passed
    said = str(taught.examine(detached, 1))
    assert "the gradient of x is another" in said


def power(x, BASE):
    return x**BASE


def test_a_variant_has_other_constants():
    exercise = Exercise(
        name="data/power",
        title="Power",
        answer="my_power",
        kind="warm-up",
        minutes=5,
        points=2,
        cases=lambda seed: [Case("a number", (3.0 + seed,))],
        reference=power,
        mistakes={"Times, not to the power.": lambda x, BASE: x * BASE},
        constants={"BASE": (2, 3)},
    )
    assert exercise.examine(lambda x: x * x, 0).passed
    cubed = exercise.variant(BASE=3)
    assert cubed.examine(lambda x: x**3, 0).passed
    assert "Times" in cubed.examine(lambda x: 3 * x, 0).mistake
    with pytest.raises(ValueError, match=r"BASE=4, expected BASE in \(2, 3\)"):
        exercise.variant(BASE=4)


def test_an_exercise_of_edges_alone_is_refused():
    empty = Exercise(**{**vars(EXERCISE), "cases": lambda seed: cases(seed)[2:]})
    with pytest.raises(ValueError, match="no ordinary case"):
        empty.examine(shares, 0)


def test_tries_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_PROGRESS", "on")
    EXERCISE(shares_of_columns), EXERCISE(lambda x: shares(x)), EXERCISE(stub)
    note = progress.read()["data/shares"]
    assert note["tries"] == 3 and note["passed"]
    progress.path().write_text("{ torn")
    assert progress.read() == {}


def test_close_by_hand():
    assert close(1.0 + 1e-7, 1.0) and not close(1.01, 1.0)
    assert close([1, {"a": torch.ones(2)}], [1, {"a": torch.ones(2)}])
    assert not close(torch.ones(2), torch.ones(2, 1))
    assert not close([1, 2], [1])
    assert not close(torch.ones(2), torch.tensor([True, True]))
    assert close(torch.tensor(2.0), 2.0) and not close("2", 2.0) and not close(None, 0)


def test_describe_by_hand():
    assert describe((torch.zeros(7, 3), "ab", 0.5)) == "tensor (7, 3) float32, 'ab', 0.5"
    assert describe(torch.tensor([[0.1, 2.0]])) == "[[0.1, 2]]"


def test_arguments_are_shown_by_name():
    said = str(EXERCISE(lambda x: torch.zeros_like(x)))
    assert "given x = [[1, 3], [2, 2]]" in said
    assert "you have  [[0, 0], [0, 0]]\n    expected  [[0.25, 0.75], [0.5, 0.5]]" in said


def test_a_case_is_shown_before_a_property_and_a_property_before_an_edge():
    def by_the_largest(x):
        return x / x.amax(-1, keepdim=True) if len(x) == 5 else shares(x)

    def by_the_largest_of_two(x):
        return shares(x) + (x.sum() if x.shape == (2, 3) else 0)

    def spoiled_for_two(x):
        if not len(x):
            raise ValueError("empty")
        return by_the_largest_of_two(x)

    assert EXERCISE.examine(by_the_largest, 0).smallest_failure.what == "many rows"
    for answer in (by_the_largest_of_two, spoiled_for_two):
        assert EXERCISE.examine(answer, 0).smallest_failure.what == "the unit doesn't matter"


def test_a_property_that_an_answer_breaks_shows_the_learners_line():
    def picky(x):
        if x.shape == (2, 3):
            raise KeyError("two by three")
        return shares(x)

    said = str(EXERCISE.examine(picky, 0))
    assert "It raised KeyError: 'two by three'" in said and "raise KeyError" in said


def test_a_mistake_is_recognised_where_the_answer_gives_a_tensor_of_one_number():
    whole = Exercise(
        name="data/total",
        title="Total",
        answer="my_total",
        kind="warm-up",
        minutes=5,
        points=2,
        cases=lambda seed: [Case("four numbers", (torch.arange(4.0) + seed,))],
        reference=lambda x: float(x.sum()),
        mistakes={"A mean.": lambda x: float(x.mean())},
    )
    assert whole.examine(lambda x: x.sum(), 1).passed
    assert whole.examine(lambda x: x.mean(), 1).mistake == "A mean."


def test_an_answer_that_should_raise_and_one_that_does():
    def root(x):
        if x < 0:
            raise ValueError(f"x is {x}, expected 0 or more")
        return x**0.5

    rooted = Exercise(
        name="data/root",
        title="Root",
        answer="my_root",
        kind="warm-up",
        minutes=5,
        points=2,
        cases=lambda seed: [Case("a square", (4.0 + seed,)), Case("a negative", (-1.0,))],
        reference=root,
        mistakes={"Half, not the root.": lambda x: x / 2},
    )
    assert rooted.examine(root, 1).passed
    assert "expected it to raise ValueError" in str(rooted.examine(lambda x: abs(x) ** 0.5, 1))


def test_what_an_exercise_is_worth_in_one_line():
    assert EXERCISE.line == "*Warm-up · about 5 minutes · 2 points*"
    with pytest.raises(ValueError, match="kind 'essay', expected one of warm-up"):
        Exercise(**{**vars(EXERCISE), "kind": "essay"})


def test_what_a_check_stumbles_over_is_said_without_its_own_lines():
    """The property subtracts what the answer returns: a text has no minus."""

    def words(x):
        return shares(x) if x.shape != (2, 3) else "shares"

    # In the checks' folder, as a property is; this file's lines would pass for the learner's.
    here = Path(progress.__file__).with_name("_imagined.py")
    space = {"torch": torch}
    source = "def fault(answer, seed):\n    return (answer(torch.ones(2, 3)) - 1).sum() and None\n"
    exec(compile(source, str(here), "exec"), space)
    odd = Exercise(**{**vars(EXERCISE), "properties": (Property("less than one", space["fault"]),)})
    said = str(odd.examine(words, 0))
    assert "What your function returned can't be used: TypeError" in said
    assert "_imagined" not in said and "_exercise" not in said
