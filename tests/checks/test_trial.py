"""What an answer may do to the notebook that it runs in: nothing."""

import sys
import threading
from contextlib import suppress

import pytest
import torch
from torch.nn import functional as F

from course_lib.checks import progress
from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.trial import Contained, Forbidden
from course_lib.checks.values import difference


def exercise(reference, **fields) -> Exercise:
    fields = {
        "cases": lambda seed: [Case("three numbers", (torch.tensor([1.0, 2.0, 3.0]),))]
    } | fields
    return Exercise(
        name="architecture/none",
        title="Sums",
        answer="my_sum",
        kind="build",
        minutes=1,
        points=1,
        reference=reference,
        mistakes=fields.pop("mistakes", {}),
        **fields,
    )


def total(x):
    return x.sum()


def test_a_loop_that_never_ends_gets_a_sentence():
    def forever(x):
        while True:
            with suppress(Exception):  # must not swallow the clock
                pass

    answer = Contained(forever, seconds=0.2)
    for _ in range(2):  # the second time without waiting
        with pytest.raises(TimeoutError, match="a loop that never ends"):
            answer(torch.ones(1))
    monkey = exercise(total).examine(Contained(forever, seconds=0.2), 0)
    assert not monkey.passed and "never ends" in str(monkey)


def test_exit_is_a_wrong_answer_and_not_the_end():
    report = exercise(total)(lambda x: sys.exit("bye"))
    assert not report.passed and "sys.exit" in str(report)


def test_defaults_are_put_back():
    def rude(x):
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(1)
        return x.sum()

    torch.manual_seed(0)
    state = torch.get_rng_state()
    assert exercise(total)(rude).passed
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.get_rng_state(), state)


def test_prints_are_shown_once(capsys):
    def chatty(x):
        print("look", x.shape)
        return x.sum()

    cases = [Case(f"case {i}", (torch.ones(2),)) for i in range(5)]
    assert exercise(total, cases=lambda seed: cases)(chatty).passed
    assert len(capsys.readouterr().out) < 600


def test_the_courses_own_function_is_not_done(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_PROGRESS", "on")
    check = exercise(total)
    assert not check(check.reference).passed
    assert progress.read() == {}


def renamed(x):
    other = F.softmax
    return other(x, -1).sum() * 0 + x.sum()


def looked_up(x):
    return getattr(F, "soft" + "max")(x, -1).sum() * 0 + x.sum()


def by_class(x):
    return torch.nn.Softmax(-1)(x).sum() * 0 + x.sum()


def own_helper(x):
    def softmax(y):
        return y.exp() / y.exp().sum()

    return softmax(x).sum() * 0 + x.sum()


@pytest.mark.parametrize("answer", [renamed, looked_up, by_class])
def test_what_is_called_is_forbidden_whatever_it_is_named(answer):
    check = exercise(total, forbidden=("softmax",))
    report = check(answer)
    assert not report.passed and "it calls softmax" in str(report)
    assert exercise(total)(answer).passed  # without the ban it is right


def test_a_helper_of_ones_own_is_no_offence():
    assert exercise(total, forbidden=("softmax",))(own_helper).passed


def test_a_forbidden_class_is_seen():
    with pytest.raises(Forbidden, match="it calls AdamW"):
        Contained(lambda: torch.optim.AdamW([torch.zeros(1)]), ("AdamW",))()


def test_threads_are_contained_too():
    found = []
    answer = Contained(lambda x: x + 1)
    thread = threading.Thread(target=lambda: found.append(answer(1)))
    thread.start()
    thread.join()
    assert found == [2]


def in_place(x):
    with torch.no_grad():
        x += 1
    return (x - 1).sum()


def leaves_gradients(x):
    y = x.detach().clone().requires_grad_()
    y.sum().backward()
    x.grad = y.grad
    return x.sum()


def test_calls_that_overlap_in_threads_leave_output_and_defaults_as_they_were():
    """The first to come is the first to go: what it put back, the second must not undo."""
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def answer(which: int) -> None:
        torch.set_default_dtype(torch.float64)
        print(which)
        if which == 1:
            first_is_in.set()
            second_is_in.wait(10)
        else:
            second_is_in.set()
            first_is_out.wait(10)

    contained, before = Contained(answer), sys.stdout
    first = threading.Thread(target=contained, args=(1,))
    first.start()
    assert first_is_in.wait(10)
    second = threading.Thread(target=contained, args=(2,))
    second.start()
    first.join(10)
    first_is_out.set()
    second.join(10)
    assert sys.stdout is before
    assert torch.get_default_dtype() == torch.float32
    assert contained.said.getvalue().split() == ["1", "2"]


@pytest.mark.parametrize("gradients", [(), (0,)])
def test_a_write_into_the_callers_tensor_is_seen(gradients):
    report = exercise(total, gradients=gradients).examine(in_place, 0)
    assert not report.passed and "in place" in str(report)


def test_gradients_left_behind_are_seen():
    assert not exercise(total).examine(leaves_gradients, 0).passed


def test_two_accidents_are_not_one_mistake():
    def crash(text):
        def wrong(x):
            raise RuntimeError(text)

        return wrong

    check = exercise(total, mistakes={"shapes don't fit": crash("size mismatch")})
    assert check.examine(crash("size mismatch"), 0).mistake == "shapes don't fit"
    assert check.examine(crash("something else"), 0).mistake is None


def test_a_mistake_in_most_cases_is_named():
    def mean(x):
        return x.mean()

    def mostly(x):
        return x.sum() * 7 if len(x) == 2 else x.mean()

    cases = [Case(f"{n} numbers", (torch.arange(n) + 1.0,)) for n in (3, 4, 5, 2, 6, 7)]
    check = exercise(total, cases=lambda seed: cases, mistakes={"A sum, not a mean.": mean})
    assert check.examine(mean, 0).mistake == "A sum, not a mean."
    assert check.examine(mostly, 0).mistake == "In most cases: A sum, not a mean."
    assert check.examine(lambda x: x.sum() * 7, 0).mistake is None


def test_what_holds_is_said_where_nothing_is_recognised():
    cases = [Case("one number", (torch.ones(1),)), Case("two numbers", (torch.ones(2),))]
    text = str(exercise(total, cases=lambda seed: cases).examine(lambda x: x[0], 0))
    assert "Right: one number." in text and "Wrong: two numbers." in text


def test_differences_read_well():
    assert difference(None, 1).startswith("Your function returned None")
    assert (
        difference((None, 1), ([2], 1))
        == "Part 0 of what you returned: there is None, expected [2]."
    )
    nested = difference([[1, [5]], 2], [[1, [6]], 2])
    assert nested.startswith("Part 0 of what you returned: part 1 of it: ")
