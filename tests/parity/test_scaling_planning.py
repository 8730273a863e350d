"""Plans against what the papers print: inference-aware sizes, repeated data, Kaplan's unit."""

from course_lib.scaling.laws.fit import Law
from course_lib.scaling.literature import budget_for, kaplan_2020
from course_lib.scaling.planning.lifetime import effective, lifetime, serving_optimal
from course_lib.scaling.planning.plan import compute_optimal


def test_serving_optimum_equals_sardanas_example(parity):
    law = Law(E=1.69, A=406.4, a=0.336, B=410.7, b=0.283)
    loss = float(law.loss(*compute_optimal(law, budget_for(law, 13e9))))
    best = serving_optimal(law, loss, 2e12)
    saved = lifetime(law, 13e9, loss, 2e12).total - best.total
    parity(
        stem="scaling",
        ours="scaling.lifetime.serving_optimal",
        reference="Sardana et al. 2024, figure 1: 7B, 1.7e22 FLOPs saved",
        error=max(abs(best.n / 7e9 - 1), abs(saved / 1.7e22 - 1)),
        tolerance=0.02,
        note="published to two digits",
    )


def test_effective_tokens_equal_muennighoffs_example(parity):
    parity(
        stem="scaling",
        ours="scaling.lifetime.effective",
        reference="Muennighoff et al. 2023, appendix A: 3.21",
        error=abs(effective(1.0, 4.0, 3.0) - 3.21),
        tolerance=0.005,
        note="five passes at R* = 3, published to two decimals",
    )


def test_kaplans_law_equals_hoffmanns_reading(parity):
    parity(
        stem="scaling",
        ours="scaling.literature.kaplan_2020",
        reference="Hoffmann et al. 2022, section D.4: 4.68e9",
        error=abs(kaplan_2020(1e21).n / 4.68e9 - 1),
        tolerance=0.002,
        note="best size for 1e21 FLOPs, published to three digits",
    )
