"""Pipelines: orders by hand, waiting by formula, and what can't run is refused."""

import pytest

from course_lib.distributed.pipeline import (
    bubble,
    gpipe,
    most_held,
    one_f_one_b,
    schedule,
    simulate,
)


def test_three_stages_and_four_microbatches_by_hand():
    orders = [" ".join(order) for order in schedule(one_f_one_b, 3, 4)]
    assert orders == [
        "F0 F1 F2 B0 F3 B1 B2 B3",
        "F0 F1 B0 F2 B1 F3 B2 B3",
        "F0 B0 F1 B1 F2 B2 F3 B3",
    ]


def test_two_stages_and_one_microbatch_by_hand():
    tasks = simulate(schedule(gpipe, 2, 1))
    times = {(task.stage, task.name): (task.start, task.end) for task in tasks}
    assert times == {
        (0, "F0"): (0, 1),
        (1, "F0"): (1, 2),
        (1, "B0"): (2, 4),
        (0, "B0"): (4, 6),
    }
    assert bubble(tasks) == 0.5


@pytest.mark.parametrize("rule", [one_f_one_b, gpipe])
@pytest.mark.parametrize(("stages", "microbatches"), [(1, 3), (2, 2), (4, 4), (4, 13), (5, 2)])
def test_the_bubble_is_that_of_the_formula(rule, stages, microbatches):
    """(p - 1)/(m + p - 1) for equal stages: Narayanan et al. 2021, section 2.2."""
    waited = bubble(simulate(schedule(rule, stages, microbatches), forward=1.5, backward=2.5))
    assert waited == pytest.approx((stages - 1) / (microbatches + stages - 1))


@pytest.mark.parametrize("stage", range(4))
def test_one_f_one_b_keeps_few_activations_and_gpipe_all(stage):
    assert most_held(one_f_one_b(stage, 4, 9)) == 4 - stage
    assert most_held(gpipe(stage, 4, 9)) == 9


def test_orders_that_wait_for_each_other_are_refused():
    with pytest.raises(ValueError, match="stage 0 at B0, stage 1 at B0"):
        simulate([["F0", "B0"], ["B0", "F0"]])


def test_a_stage_that_is_none_is_refused():
    with pytest.raises(ValueError, match="stage=3: expected one of 0 to 2"):
        one_f_one_b(3, 3, 2)
    with pytest.raises(ValueError, match="microbatches=0"):
        gpipe(0, 1, 0)
