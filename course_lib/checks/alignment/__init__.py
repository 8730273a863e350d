"""Instant checks of the alignment chapter's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.alignment import preference
from course_lib.checks._report import CheckReport, run_check

Loss = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]


def dpo_loss(fn: Loss) -> CheckReport:
    """Check fn(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta).

    The first four are [batch] log-probabilities of whole replies; the result is one loss a pair.
    """
    generator = torch.Generator().manual_seed(0)
    cases = [
        (*(-20 * torch.rand(n, generator=generator) for _ in range(4)), beta)
        for n, beta in ((1, 0.1), (6, 0.1), (5, 0.5))
    ]
    far = torch.tensor([-900.0, -1.0])  # sigmoid underflows here, logsigmoid does not
    cases.append((far, far.flip(0), torch.zeros(2), torch.zeros(2), 0.5))
    return run_check("The DPO loss", fn, cases, _reference, mistakes=MISTAKES)


def _reference(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return preference.dpo_loss(pc - rc, pr - rr, beta)


MISTAKES: dict[str, Loss] = {
    "The reference model is missing: subtract its log-probabilities, or a reply that was likely "
    "all along counts as an improvement.": lambda pc, pr, rc, rr, b: -F.logsigmoid(b * (pc - pr)),
    "Chosen and rejected are swapped: this loss teaches the rejected reply.": (
        lambda pc, pr, rc, rr, b: _reference(pr, pc, rr, rc, b)
    ),
    "The sign in front is missing: log sigmoid is never above 0, and a loss is to be made small.": (
        lambda *a: -_reference(*a)
    ),
    "beta is outside the sigmoid: it must scale the margin, not the loss.": (
        lambda pc, pr, rc, rr, b: -b * F.logsigmoid(pc - rc - pr + rr)
    ),
    "You average over the batch: return one loss a pair.": lambda *a: _reference(*a).mean(),
    "log(sigmoid(x)) gives -inf where x is far below 0: use logsigmoid, which works with large "
    "margins too.": (
        lambda pc, pr, rc, rr, b: -torch.log(torch.sigmoid(b * (pc - rc - pr + rr)))
    ),
    "You divide probabilities' logarithms: the ratio p/p_ref is a difference of logarithms.": (
        lambda pc, pr, rc, rr, b: -F.logsigmoid(b * (pc / rc - pr / rr))
    ),
    "The reference enters with the wrong sign: log(p/p_ref) = log p - log p_ref.": (
        lambda pc, pr, rc, rr, b: _reference(pc, pr, -rc, -rr, b)
    ),
}
