"""The profile of a step: the calls that are known by hand, and shares that add up."""

import pytest
import torch

from course_lib.pretraining.monitoring.profiling import by_kind, kind_of, profile_step

CPU = torch.device("cpu")


def test_a_step_of_three_products():
    a, b = torch.randn(64, 64, requires_grad=True), torch.randn(64, 64)
    operators = profile_step(lambda: (a @ b).sum().backward(), CPU)
    products = [o for o in operators if o.name == "aten::mm"]
    # forward one; backward one, since b asks for no gradient
    assert [o.calls for o in products] == [2]
    assert products[0].flops == 2 * 2 * 64**3 and products[0].kind == "matrix product"
    assert sum(o.share for o in operators) == pytest.approx(1)
    assert sum(by_kind(operators).values()) == pytest.approx(1)
    assert [o.share for o in operators] == sorted((o.share for o in operators), reverse=True)
    assert all(o.self_ms >= 0 for o in operators)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::mm", "matrix product"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention"),
        ("aten::mul", "element-wise"),
        ("aten::linalg_vector_norm", "reduction"),
        ("aten::embedding_dense_backward", "lookup"),
        ("aten::lerp_", "optimizer"),
        ("ViewBackward0", "bookkeeping"),
        ("forward", "marked by you"),
    ],
)
def test_kinds(name, kind):
    assert kind_of(name)[0] == kind


def test_nothing_to_see():
    with pytest.raises(ValueError, match="no operator of torch"):
        profile_step(lambda: None, CPU, warmup=0)
