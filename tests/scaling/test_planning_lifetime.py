"""Serving and repeated data: the papers' own examples, and what must hold at the limits."""

import math

import numpy as np
import pytest

from course_lib.scaling.laws.fit import Law
from course_lib.scaling.literature import budget_for
from course_lib.scaling.planning.lifetime import (
    R_TOKENS,
    data_limited,
    effective,
    lifetime,
    muennighoff_2023,
    repeated_run,
    serving_optimal,
    tokens_for,
    training_optimal,
)
from course_lib.scaling.planning.plan import besiroglu_2024, compute_optimal

# Hoffmann's approach 3 with three digits, as Sardana et al. 2024 use it.
SARDANA = Law(E=1.69, A=406.4, a=0.336, B=410.7, b=0.283)


def quality_of(law, n):
    """The loss of a compute-optimal model of n parameters, and its tokens."""
    best = compute_optimal(law, budget_for(law, n))
    return float(law.loss(*best)), best.d


def test_tokens_for_by_hand():
    law = Law(E=1.0, A=10.0, a=1.0, B=6.0, b=1.0)
    assert tokens_for(law, 10.0, 5.0) == pytest.approx(2.0)  # 5 = 1 + 10/10 + 6/2
    assert tokens_for(law, 2.0, 5.0) == math.inf  # 1 + 10/2 is 6 already


def test_sardanas_example_of_figure_1():
    # 13B quality, 2e12 tokens served: a 7B model saves 1.7e22 FLOPs, 17 %.
    loss, d = quality_of(SARDANA, 13e9)
    plain, best = lifetime(SARDANA, 13e9, loss, 2e12), serving_optimal(SARDANA, loss, 2e12)
    assert plain.d == pytest.approx(d, rel=1e-6)
    assert best.n == pytest.approx(7e9, rel=0.02)
    assert plain.total - best.total == pytest.approx(1.7e22, rel=0.02)
    assert 1 - best.total / plain.total == pytest.approx(0.17, abs=0.005)


def test_sardanas_example_of_section_3():
    # 7B quality, 1e11 tokens served: 6B parameters on 1.18 times the data.
    loss, d = quality_of(SARDANA, 7e9)
    best = serving_optimal(SARDANA, loss, 1e11)
    assert best.n == pytest.approx(6e9, rel=0.01) and best.d / d == pytest.approx(1.18, abs=0.01)


def test_nobody_served_is_training_alone():
    law = besiroglu_2024()
    loss = float(law.loss(*compute_optimal(law, 1e21)))
    best, trained = serving_optimal(law, loss, 0.0), training_optimal(law, loss)
    assert best.n == pytest.approx(trained.n, rel=1e-3)
    assert (trained.n, trained.d) == pytest.approx(tuple(compute_optimal(law, 1e21)))


@pytest.mark.parametrize("served", [1e11, 1e13, 1e16])
def test_no_other_size_is_cheaper_over_its_life(served):
    law, loss = besiroglu_2024(), 2.2
    best = serving_optimal(law, loss, served)
    assert law.loss(best.n, best.d) == pytest.approx(loss)
    others = [lifetime(law, best.n * f, loss, served).total for f in np.geomspace(0.5, 3, 41)]
    assert min(others) >= best.total * (1 - 1e-9)
    # the condition by slopes: a A/N^a over b B/D^b is 1 + served / 3D
    slopes = law.a * law.A * best.n**-law.a / (law.b * law.B * best.d**-law.b)
    assert slopes == pytest.approx(1 + served / (3 * best.d), rel=1e-3)


def test_effective_tokens_by_the_papers_example():
    # Muennighoff et al. 2023, appendix A: R* = 3; five passes are worth 3.21, 101 are worth 3.99.
    assert effective(1.0, 4.0, 3.0) == pytest.approx(3.21, abs=0.005)
    assert effective(1.0, 100.0, 3.0) == pytest.approx(4.0, abs=0.01)
    assert effective(7.0, 0.0, R_TOKENS) == 7.0
    assert effective(1.0, 3.0, R_TOKENS) == pytest.approx(3.73, abs=0.01)  # 4 passes: 93 %


def test_muennighoffs_law_as_printed():
    law = muennighoff_2023()  # 1.87 + 521 / N^0.353 + 1488 / D^0.353, U_N = 0.051 U_D
    assert (law.E, law.A, law.B) == pytest.approx((1.87, 521, 1488), rel=1e-3)
    best = compute_optimal(law, 1e21)
    assert best.n / best.d == pytest.approx(0.051, abs=5e-4)


def test_enough_data_is_no_limit_and_less_data_costs():
    law, flops = muennighoff_2023(), 1e21
    free = compute_optimal(law, flops)
    assert data_limited(law, flops, 1e12)[:2] == free
    runs = [data_limited(law, flops, unique) for unique in (4e10, 1e10, 1e9)]
    losses = [float(law.loss(*free)), *(run.loss for run in runs)]
    assert losses == sorted(losses)
    for run in runs:
        assert 6 * run.n * run.d == pytest.approx(flops) and run.n < free.n
    assert 1 < runs[0].epochs < runs[1].epochs < runs[2].epochs


def test_one_pass_is_the_plain_law():
    law = muennighoff_2023()
    assert repeated_run(law, 1e9, 2e10, 2e10).loss == pytest.approx(float(law.loss(1e9, 2e10)))


def test_refusals_name_the_value():
    law = besiroglu_2024()
    with pytest.raises(ValueError, match=r"n=0\.0"):
        lifetime(law, 0.0, 2.0, 1.0)
    for ask in (training_optimal, lambda law, loss: serving_optimal(law, loss, 1.0)):
        with pytest.raises(ValueError, match=r"loss=1\.5: expected above"):
            ask(law, 1.5)
    with pytest.raises(ValueError, match=r"repeats=-1\.0"):
        effective(1.0, -1.0, 3.0)
    with pytest.raises(ValueError, match=r"unique=0\.0"):
        repeated_run(law, 1.0, 1.0, 0.0)
