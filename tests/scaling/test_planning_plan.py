"""FLOPs and plans: by hand, against a numeric optimum, and against published exponents."""

import numpy as np
import pytest

from course_lib.architecture.decoder import ModelConfig
from course_lib.scaling.flops import compare, six_nd
from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.plan import (
    HARDWARE,
    batch_and_rate,
    besiroglu_2024,
    compute_optimal,
    hoffmann_2022,
    plan,
)


def test_optimum_by_hand():
    # a A / N^a = b B / D^b with a = b = 1 and A = B: N = D = sqrt(C / 6).
    n, d = compute_optimal(Law(E=1.0, A=5.0, a=1.0, B=5.0, b=1.0), 600.0)
    assert (n, d) == (pytest.approx(10.0), pytest.approx(10.0))


@pytest.mark.parametrize("law", [hoffmann_2022(), besiroglu_2024()])
def test_no_other_split_of_the_budget_is_better(law):
    n, d = compute_optimal(law, 1e21)
    assert 6 * n * d == pytest.approx(1e21)
    others = n * np.geomspace(0.1, 10, 41)
    assert law.loss(others, 1e21 / 6 / others).min() >= law.loss(n, d) - 1e-12


def test_e_does_not_move_the_optimum():
    law = hoffmann_2022()
    free = Law(E=0.1, A=law.A, a=law.a, B=law.B, b=law.b)
    assert compute_optimal(free, 1e20) == compute_optimal(law, 1e20)


def test_published_exponents():
    # Hoffmann et al. 2022, table 2 (a = 0.46 from unrounded constants); Besiroglu et al. 2024.
    def exponent(law):
        return np.log10(compute_optimal(law, 1e22).n / compute_optimal(law, 1e21).n)

    assert exponent(hoffmann_2022()) == pytest.approx(0.46, abs=0.01)
    assert exponent(besiroglu_2024()) == pytest.approx(0.5126, abs=1e-4)


def test_chinchilla_budget_asks_for_about_twenty_tokens_a_parameter():
    # 5.76e23 FLOPs, 70B parameters, 1.4T tokens: Hoffmann et al. 2022, section 4.
    split = compute_optimal(besiroglu_2024(), 5.76e23)
    assert 10 < split.d / split.n < 40


def test_plan_by_hand():
    law, h100 = besiroglu_2024(), HARDWARE["H100"]
    best = plan(law, 1e21, h100, utilisation=0.5)
    assert best.device_days == pytest.approx(1e21 / (989e12 * 0.5) / 86_400)
    assert best.extra_loss == pytest.approx(0, abs=1e-12)
    small = plan(law, 1e21, h100, tokens_per_parameter=200.0)
    assert small.tokens_per_parameter == pytest.approx(200) and small.n < best.n
    assert small.extra_loss > 0.005
    assert plan(law, 1e26, h100).devices_for_memory > 10
    assert small.steps * small.batch_tokens == pytest.approx(small.d)


def test_larger_budgets_take_larger_batches_and_lower_rates():
    (b1, r1), (b2, r2) = batch_and_rate(1e18), batch_and_rate(1e20)
    assert b2 > b1 and r2 < r1


def test_six_nd_and_the_count():
    assert six_nd(70e9, 1.4e12) == pytest.approx(5.88e23)
    sizes = dict(vocab_size=512, n_layers=2, n_heads=2, n_kv_heads=2, d_ff=128)
    narrow = compare(ModelConfig(d_model=32, **sizes), seq=256)
    wide = compare(ModelConfig(d_model=512, **sizes), seq=256)
    assert narrow.ratio > wide.ratio > 1  # attention's share shrinks with the width
    assert narrow.attention_share > wide.attention_share
    untied = compare(ModelConfig(d_model=32, tied=False, **sizes), seq=256)
    assert untied.counted == narrow.counted and untied.rule > narrow.rule


def test_the_rule_takes_the_experts_that_a_token_meets():
    one = dict(vocab_size=512, d_model=64, n_layers=2, d_ff=128)
    dense = compare(ModelConfig(**one), seq=64)
    routed = compare(ModelConfig(mlp="moe", n_experts=8, top_k=1, **one), seq=64)
    router = 2 * 8 * 64
    assert routed.rule == dense.rule + 6 * router
    assert routed.parameters == dense.parameters + 2 * 7 * 3 * 64 * 128 + router


def test_refusals_name_the_value():
    law, h100 = hoffmann_2022(), HARDWARE["H100"]
    with pytest.raises(ValueError, match="flops=0.0"):
        compute_optimal(law, 0.0)
    with pytest.raises(ValueError, match="one term is flat"):
        compute_optimal(Law(E=1.0, A=1.0, a=0.0, B=1.0, b=1.0), 1e20)
    with pytest.raises(ValueError, match=r"utilisation=1\.5"):
        plan(law, 1e20, h100, utilisation=1.5)
    with pytest.raises(ValueError, match="tokens_per_parameter=-1.0"):
        plan(law, 1e20, h100, tokens_per_parameter=-1.0)
    with pytest.raises(ValueError, match="parameters=0"):
        six_nd(0, 1)
