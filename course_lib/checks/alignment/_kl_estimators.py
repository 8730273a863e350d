"""Three estimates of the KL divergence from sampled tokens."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property

Three = tuple[float, float, float]
Estimate = Callable[[Tensor, Tensor, Tensor], Three]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def tokens(lengths: list[int], apart: float = 0.6) -> tuple[Tensor, Tensor, Tensor]:
        shape = len(lengths), max(lengths)
        policy = -0.2 - 3 * torch.rand(shape, generator=generator)
        moved = apart * torch.randn(shape, generator=generator)
        mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
        return policy, (policy + moved).clamp(max=0.0), mask

    policy, reference, mask = tokens([5, 2])
    hole = float("-inf")
    padded = policy.masked_fill(~mask, hole), reference.masked_fill(~mask, hole), mask
    single = tokens([3])
    return [
        Case("two tokens, both counted", tokens([2])),
        Case("a batch with one counted token", _one(*tokens([4, 3]))),
        Case("three replies of one length", tokens([4, 4, 4])),
        Case("replies of different lengths, padded on the right", tokens([6, 1, 3])),
        Case("the mask has holes: only the replies of a talk count", _holes(*tokens([7, 7]))),
        Case("a policy far from its reference", tokens([5, 4], 2.0)),
        Case("padding that holds minus infinity", padded, edge=True),
        Case("nothing is counted", (*single[:2], torch.zeros_like(single[2])), edge=True),
        Case("the policy is the reference", (single[0], single[0].clone(), single[2]), edge=True),
    ]


def _one(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    alone = torch.zeros_like(mask)
    alone[0, 1] = True
    return policy, reference, alone


def _holes(policy: Tensor, reference: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mask = mask.clone()
    mask[0, 2:4] = mask[1, :3] = False
    return policy, reference, mask


def _estimates(
    logprobs: Tensor,
    reference: Tensor,
    mask: Tensor,
    *,
    sign: float = 1.0,
    half: float = 0.5,
    k3: Callable[[Tensor], Tensor] = lambda x: x.exp() - x - 1,
    careful: bool = True,
) -> Three:
    """Schulman 2020, with x = log(p_ref / p) and one thing to get wrong at a time."""
    x = sign * (reference - logprobs)
    if careful:
        x = x.masked_fill(~mask, 0.0)
    number = mask.sum().clamp(min=1) if careful else mask.sum()
    return tuple(((k * mask).sum() / number).item() for k in (-x, half * x**2, k3(x)))


def _right(logprobs: Tensor, reference: Tensor, mask: Tensor) -> Three:
    return _estimates(logprobs, reference, mask)


def _changed(**change) -> Estimate:
    return lambda p, r, mask: _estimates(p, r, mask, **change)


def _reply_by_reply(p: Tensor, r: Tensor, mask: Tensor) -> Three:
    each = [_right(p[i], r[i], mask[i]) for i in range(len(p))]
    return tuple(sum(k) / len(each) for k in zip(*each, strict=True))


def _by_places(p: Tensor, r: Tensor, mask: Tensor) -> Three:
    return tuple(k * mask.sum().item() / mask.numel() for k in _right(p, r, mask))


def _summed(p: Tensor, r: Tensor, mask: Tensor) -> Three:
    return tuple(k * mask.sum().item() for k in _right(p, r, mask))


def _never_negative(answer: Estimate, seed: int) -> str | None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(5):
        policy, reference = -2 * torch.rand(2, 1, 3, generator=generator)
        k3 = float(answer(policy, reference, torch.ones(1, 3, dtype=torch.bool))[2])
        if k3 < -1e-6:
            return f"Your k3 is {k3:.4f}: e^x - x - 1 is never below 0."
    return None


def _no_bias(answer: Estimate, seed: int) -> str | None:
    """Over all tokens of a vocabulary, weighted as the policy draws them, k1 and k3 are the KL."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randint(1, 6, (6,), generator=generator)
    p = (weights / weights.sum()).log()
    q = torch.randn(6, generator=generator).log_softmax(0)
    drawn = torch.arange(6).repeat_interleave(weights)[None]  # each token as often as it is drawn
    k1, _, k3 = answer(p[drawn], q[drawn], torch.ones_like(drawn, dtype=torch.bool))
    kl = (p.exp() * (p - q)).sum().item()
    for name, k in (("k1", float(k1)), ("k3", float(k3))):
        if abs(k - kl) > 1e-3:
            return f"The KL is {kl:.4f}; your {name} has a mean of {k:.4f} over the policy's draws."
    return None


_MISTAKES: dict[str, Estimate] = {
    "The ratio is upside down: the tokens were drawn from the policy, so x = log(p_ref / p) = "
    "reference - logprobs. As it stands k1 is minus the KL, and k3 measures something else.": (
        _changed(sign=-1.0)
    ),
    "k2 lacks its half: (log ratio)^2 / 2.": _changed(half=1.0),
    "k3 lacks its - 1: e^x - x - 1 is zero where the two models agree.": (
        _changed(k3=lambda x: x.exp() - x)
    ),
    "k3 has the sign of x wrong: e^x - x - 1, and with x + … it isn't never-negative any more.": (
        _changed(k3=lambda x: x.exp() + x - 1)
    ),
    "k3 lacks its x: e^x - 1 has mean 0 over the policy's draws, whatever the KL is.": (
        _changed(k3=lambda x: x.exp() - 1)
    ),
    "You count the padding: only tokens where the mask is True belong to a reply.": (
        lambda p, r, mask: _estimates(p, r, torch.ones_like(mask))
    ),
    "You divide by all places, counted or not: divide by the number of counted tokens.": _by_places,
    "You average reply by reply, then over replies: a token of a long reply counts less. Average "
    "over all counted tokens at once.": _reply_by_reply,
    "You sum over the tokens: divide by the number that are counted.": _summed,
    "What the mask hides still reaches you: -inf - -inf is NaN, and NaN times 0 is NaN. Use "
    "torch.where or masked_fill, and don't divide by a count of 0.": _changed(careful=False),
}

kl_estimators = Exercise(
    name="alignment/kl_estimators",
    title="Three estimates of the KL",
    answer="my_kl",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(
        Property("k3 is never negative", _never_negative),
        Property("k1 and k3 have the KL as their mean", _no_bias),
    ),
    forbidden=("kl_div", "kl_divergence"),
)
