"""Diagnose: a DPO step whose loss stays at log 2 while the model drifts away."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.alignment.preferences import dpo_loss
from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.faults import left_over

Step = Callable[..., tuple[Tensor, float]]
PAD = 0


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def rows(lengths: list[int], vocab: int) -> tuple[Tensor, Tensor]:
        """Random replies, padded, and a mask of their transitions."""
        width = max(lengths)
        ids = torch.randint(1, vocab, (len(lengths), width), generator=generator)
        inside = torch.arange(width) < torch.tensor(lengths)[:, None]
        return ids * inside, inside[:, 1:]

    def step(
        chosen: list[int], rejected: list[int], beta: float, vocab: int = 6, moved: float = 0.5
    ) -> tuple:
        reference = torch.randn(vocab, vocab, generator=generator)
        policy = reference + moved * torch.randn(vocab, vocab, generator=generator)
        (c, c_mask), (r, r_mask) = rows(chosen, vocab), rows(rejected, vocab)
        batch = {"chosen": c, "chosen_mask": c_mask, "rejected": r, "rejected_mask": r_mask}
        return policy, reference, batch, beta, 0.5

    return [
        Case("one pair", step([4], [3], 0.5)),
        Case("pairs of two lengths", step([3, 5], [4, 2], 0.5)),
        Case("longer replies, small beta", step([6, 3, 8], [2, 7, 5], 0.1)),
        Case("a policy far from its reference", step([5, 2], [4, 6], 0.3, moved=2.0)),
        Case(
            "the first step: the policy is the reference",
            step([4, 2], [3, 5], 0.5, moved=0.0),
            edge=True,
        ),
        Case("no padding anywhere", step([5, 5], [5, 5], 0.5), edge=True),
    ]


def _reply(table: Tensor, ids: Tensor, mask: Tensor, counted: bool) -> Tensor:
    """log p of each row under a table of next-token logits."""
    each = table.log_softmax(-1)[ids[:, :-1], ids[:, 1:]]
    return (each * mask if counted else each).sum(-1)


def _step(
    policy: Tensor,
    reference: Tensor,
    batch: dict[str, Tensor],
    beta: float,
    lr: float,
    *,
    frozen: bool = True,
    counted: bool = True,
    down: float = -1.0,
    per_token: bool = False,
) -> tuple[Tensor, float]:
    """One step of gradient descent on the mean DPO loss: (new policy, loss before the step)."""
    policy = policy.clone().requires_grad_()
    anchor = reference if frozen else policy.detach()
    moved = []
    for name in ("chosen", "rejected"):
        ids, mask = batch[name], batch[f"{name}_mask"]
        gain = _reply(policy, ids, mask, counted) - _reply(anchor, ids, mask, counted)
        moved.append(gain / mask.sum(-1) if per_token else gain)
    loss = dpo_loss(*moved, beta).mean()
    (slope,) = torch.autograd.grad(loss, policy)
    return (policy + down * lr * slope).detach(), loss.item()


def _right(
    policy: Tensor, reference: Tensor, batch: dict[str, Tensor], beta: float, lr: float
) -> tuple[Tensor, float]:
    return _step(policy, reference, batch, beta, lr)


_FAULTS = {  # what the step as found does, and the words for it
    "the gains are measured from the present policy, not from the frozen reference": {
        "frozen": False
    },
    "the padding is counted in the replies' log-probabilities": {"counted": False},
    "the step goes up the loss instead of down": {"down": 1.0},
}


def _changed(change: dict) -> Step:
    return lambda *arguments: _step(*arguments, **change)


def _reference_moves(
    policy: Tensor, reference: Tensor, batch: dict[str, Tensor], beta: float, lr: float
) -> tuple[Tensor, float]:
    return _right(reference, policy, batch, beta, lr)


_MISTAKES = left_over(_FAULTS, _changed) | {
    "You train the reference and measure from the policy: it is the other way round.": (
        _reference_moves
    ),
    "You average over the tokens of a reply: DPO's log-probability of a reply is the sum over its "
    "counted tokens.": _changed({"per_token": True}),
}


def _learns(answer: Step, seed: int) -> str | None:
    """Twenty steps on one pair, from the reference on."""
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(5, 5, generator=generator)
    ids = torch.tensor([[1, 2, 3, PAD]]), torch.tensor([[1, 3, 4, 2]])
    masks = ids[0][:, 1:] != PAD, ids[1][:, 1:] != PAD
    batch = {"chosen": ids[0], "rejected": ids[1]}
    batch |= {"chosen_mask": masks[0], "rejected_mask": masks[1]}
    policy, losses = reference, []
    for _ in range(20):
        policy, loss = answer(policy, reference, batch, 0.5, 1.0)
        losses.append(float(loss))
    if losses[-1] < losses[0] - 0.1:
        return None
    return f"Over 20 steps on one pair your loss goes from {losses[0]:.3f} to {losses[-1]:.3f}."


broken_dpo_step = Exercise(
    name="alignment/broken_dpo_step",
    title="The run that stays at log 2",
    answer="my_dpo_step",
    kind="diagnose",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("the loss of one pair falls over twenty steps", _learns),),
)
