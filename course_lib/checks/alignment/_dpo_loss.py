"""The DPO loss, from log-probabilities of whole replies."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.alignment import preferences as preference
from course_lib.checks.exercise import Case, Exercise

Loss = Callable[..., Tensor]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def logprobs(pairs: int) -> tuple[Tensor, ...]:
        return tuple(-1 - 20 * torch.rand(pairs, generator=generator) for _ in range(4))

    chosen, rejected, *_ = logprobs(4)
    far = torch.tensor([-2000.0, -1.0]) - torch.rand(2, generator=generator)
    return [
        Case("one pair", logprobs(1)),
        Case("five pairs", logprobs(5)),
        Case("seven pairs, the policy far from the reference", tuple(2 * p for p in logprobs(7))),
        Case(
            "pairs that the policy ranks as the reference does",
            (
                chosen,
                rejected,
                *(p - 0.5 * torch.rand(4, generator=generator) for p in (chosen, rejected)),
            ),
        ),
        Case("the first step: the policy is the reference", (chosen, rejected) * 2, edge=True),
        Case("margins of hundreds of nats", (far, far.flip(0), *torch.zeros(2, 2)), edge=True),
        Case("no pair at all", logprobs(0), edge=True),
    ]


def _right(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, *, BETA: float) -> Tensor:
    return preference.dpo_loss(pc - rc, pr - rr, BETA)


def _parameters(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    BETA: float,
) -> Tensor:
    """The reference under the names that the statement uses."""
    return _right(policy_chosen, policy_rejected, reference_chosen, reference_rejected, BETA=BETA)


def _unstable(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, *, BETA: float) -> Tensor:
    return -torch.log(torch.sigmoid(BETA * (pc - rc - pr + rr)))


_MISTAKES: dict[str, Loss] = {
    "The reference model is missing: subtract its log-probabilities, or a reply that was likely "
    "all along counts as an improvement.": (
        lambda pc, pr, rc, rr, *, BETA: -F.logsigmoid(BETA * (pc - pr))
    ),
    "Chosen and rejected are swapped: this loss teaches the rejected reply.": (
        lambda pc, pr, rc, rr, *, BETA: _right(pr, pc, rr, rc, BETA=BETA)
    ),
    "The sign in front is missing: log sigmoid is never above 0, and a loss is to be made small.": (
        lambda *four, BETA: -_right(*four, BETA=BETA)
    ),
    "BETA is outside the sigmoid: it must scale the margin, not the loss.": (
        lambda *four, BETA: BETA * _right(*four, BETA=1.0)
    ),
    "BETA is not used: it says how far the policy may go from the reference.": (
        lambda *four, BETA: _right(*four, BETA=1.0)
    ),
    "You divide by BETA: the smaller BETA, the less a margin is to count.": (
        lambda *four, BETA: _right(*four, BETA=1 / BETA)
    ),
    "You average over the batch: return one loss a pair.": (
        lambda *four, BETA: _right(*four, BETA=BETA).mean()
    ),
    "log(sigmoid(x)) gives -inf where x is far below 0: use logsigmoid, which works with large "
    "margins too.": _unstable,
    "You divide probabilities' logarithms: the ratio p/p_ref is a difference of logarithms.": (
        lambda pc, pr, rc, rr, *, BETA: -F.logsigmoid(BETA * (pc / rc - pr / rr))
    ),
    "The reference enters with the wrong sign: log(p/p_ref) = log p - log p_ref.": (
        lambda pc, pr, rc, rr, *, BETA: _right(pc, pr, -rc, -rr, BETA=BETA)
    ),
}

dpo_loss = Exercise(
    name="alignment/dpo_loss",
    title="The DPO loss",
    answer="my_dpo_loss",
    kind="warm-up",
    minutes=15,
    points=5,
    cases=_cases,
    reference=_parameters,
    mistakes=_MISTAKES,
    gradients=(0, 1),
    forbidden=("binary_cross_entropy_with_logits",),
    constants={"BETA": (0.1, 0.05, 0.3)},
)
