"""The losses against torch's own: masks that really mask, and no dtype narrower than it must be."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.architecture.ops import at_least_float32, layer_norm
from course_lib.pretraining.loss import IGNORE, cross_entropy
from course_lib.pretraining.memory.step import chunked_cross_entropy
from course_lib.pretraining.monitoring import metrics
from course_lib.pretraining.schedules.accumulation import surprisal_sum
from course_lib.pretraining.schedules.clipping import clip_gradients
from course_lib.pretraining.speed.fast import HeadLoss

BAD = [float("nan"), float("-inf"), float("inf")]


def masked(bad: float) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 2, IGNORE], [IGNORE, 0, 4]])
    logits[0, 2], logits[1, 0, 3] = bad, bad
    return logits, targets


@pytest.mark.parametrize("bad", BAD)
def test_bad_logits_where_nothing_counts_leave_the_loss_alone(bad):
    logits, targets = masked(bad)
    twin = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert torch.isfinite(twin)
    torch.testing.assert_close(cross_entropy(logits, targets), twin)
    torch.testing.assert_close(surprisal_sum(logits, targets), twin * 4)


@pytest.mark.parametrize("bad", BAD)
def test_bad_hidden_states_where_nothing_counts_leave_the_chunked_losses_alone(bad):
    hidden, targets = masked(bad)
    head = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    hidden, targets = hidden.flatten(0, 1), targets.flatten()
    twin = F.cross_entropy(hidden @ head.T, targets)
    torch.testing.assert_close(chunked_cross_entropy(hidden, head, targets, 4), twin)
    torch.testing.assert_close(HeadLoss.apply(hidden, head, targets, 4), twin * 4)


def test_float64_stays_float64():
    logits, targets = masked(0.0)
    logits = logits.double() + 1e-9 * torch.arange(5)
    loss = cross_entropy(logits, targets)
    assert loss.dtype == torch.float64
    twin = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert loss.item() == pytest.approx(twin.item(), abs=1e-14)
    assert surprisal_sum(logits, targets).item() == pytest.approx(4 * twin.item(), abs=1e-13)
    ones, x = torch.ones(5, dtype=torch.float64), logits[0]
    torch.testing.assert_close(layer_norm(x, ones), F.layer_norm(x, (5,)), atol=1e-14, rtol=0)


@pytest.mark.parametrize(("value", "norm"), [(300.0, 1200.0), (5.5e-5, 2.2e-4)])
def test_norms_of_half_precision_are_taken_in_float32(value, norm):
    p = torch.nn.Parameter(torch.zeros(4, 4, dtype=torch.float16))
    p.grad = torch.full_like(p, value)
    assert clip_gradients([p], 1e6) == pytest.approx(norm, rel=1e-2)
    assert metrics.norm([p.grad]) == pytest.approx(norm, rel=1e-2)
    assert metrics.rms(p.grad) == pytest.approx(norm / 4, rel=1e-2)


def test_a_sum_of_half_precision_losses_does_not_overflow():
    """10,000 targets at 8 nats are 80,000 nats, above float16's largest number."""
    hidden = torch.zeros(10_000, 2, dtype=torch.float16)
    head, targets = torch.zeros(3_000, 2, dtype=torch.float16), torch.zeros(10_000).long()
    loss = chunked_cross_entropy(hidden, head, targets, 1_000)
    assert loss.item() == pytest.approx(8.006, abs=0.01)


def test_at_least_float32():
    wanted = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        x = torch.ones(2, dtype=dtype)
        assert at_least_float32(x).dtype == wanted.get(dtype, dtype)
    assert at_least_float32(x) is x
