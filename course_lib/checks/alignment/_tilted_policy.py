"""Predict: where training with a KL penalty ends, against policies trained until they rest."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close

Two = tuple[float, float]
Prediction = Callable[[Tensor, Tensor, float], Two]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def world(prompts: int, replies: int) -> tuple[Tensor, Tensor]:
        reference = torch.randn(prompts, replies, generator=generator).softmax(-1)
        return reference, 2 * torch.rand(prompts, replies, generator=generator) - 0.5

    def beta(low: float, high: float) -> float:
        return round(low + (high - low) * torch.rand(1, generator=generator).item(), 3)

    reference, _ = world(2, 4)
    right = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    never = reference * torch.tensor([1.0, 0.0, 1.0, 1.0])
    never = never / never.sum(-1, keepdim=True)
    best = torch.tensor([[0.1, 2.0, 0.3, 0.7], [0.0, 1.5, 0.9, 0.4]])
    return [
        Case("one prompt, two replies", (*world(1, 2), beta(0.5, 0.9))),
        Case("three prompts, a small beta", (*world(3, 5), beta(0.2, 0.4))),
        Case("three prompts, a beta above 1", (*world(3, 5), beta(1.5, 3.0))),
        Case("rewards of 0 and 1", (reference, right, beta(0.3, 0.7))),
        Case(
            "all replies of a prompt earn the same",
            (reference, right[:1].new_full((2, 4), beta(0.0, 1.0)), 0.5),
            edge=True,
        ),
        Case("a reply that the reference never gives", (never, best, beta(0.3, 0.7)), edge=True),
        Case(
            "a beta so small that exp(reward / beta) overflows", (reference, best, 0.002), edge=True
        ),
    ]


def _measured(reference: Tensor, rewards: Tensor, beta: float) -> Two:
    """Train a policy of one logit a reply on E[r] - beta KL until it rests, then measure it.

    Natural gradient ascent: each step halves what is left of the way.
    """
    given = reference > 0  # a reply that is never given is never sampled, so never rewarded
    anchor = torch.where(given, reference.double(), 1.0).log()
    logits = anchor.clone()
    for _ in range(60):
        policy = _normalised(logits, given)
        logits = logits + 0.5 / beta * (rewards.double() - beta * (policy - anchor))
    policy = _normalised(logits, given)
    share = policy.exp() * given
    reward = (share * rewards).sum(-1).mean().item()
    return reward, (share * (policy - anchor)).sum(-1).mean().item()


def _normalised(logits: Tensor, given: Tensor) -> Tensor:
    return logits - logits.masked_fill(~given, -torch.inf).logsumexp(-1, keepdim=True)


def _formula(
    reference: Tensor,
    rewards: Tensor,
    beta: float,
    *,
    tilt: Callable[[Tensor, float], Tensor] = lambda r, beta: r / beta,
    anchor: bool = True,
    axis: int = -1,
    kl: Callable[[Tensor, Tensor], Tensor] = lambda p, q: torch.xlogy(p, p / q.clamp(min=1e-30)),
    scale: Callable[[float], float] = lambda beta: 1.0,
    total: Callable[[Tensor], Tensor] = Tensor.mean,
) -> Two:
    """The optimum of Rafailov et al. 2023, equation 4, with one thing to get wrong at a time."""
    policy = (tilt(rewards, beta) + (reference.log() if anchor else 0.0)).softmax(axis)
    reward = total((policy * rewards).sum(-1)).item()
    return reward, scale(beta) * total(kl(policy, reference).sum(-1)).item()


def _changed(**change) -> Prediction:
    return lambda reference, rewards, beta: _formula(reference, rewards, beta, **change)


def _greedy(reference: Tensor, rewards: Tensor, beta: float) -> Two:
    best = rewards.masked_fill(reference == 0, -torch.inf).argmax(-1, keepdim=True)
    kl = -reference.gather(-1, best).log()
    return rewards.gather(-1, best).mean().item(), kl.mean().item()


def _at_the_start(reference: Tensor, rewards: Tensor, beta: float) -> Two:
    return (reference * rewards).sum(-1).mean().item(), 0.0


def _overflowing(reference: Tensor, rewards: Tensor, beta: float) -> Two:
    weight = reference * (rewards / beta).exp()
    policy = weight / weight.sum(-1, keepdim=True)
    kl = torch.xlogy(policy, policy / reference.clamp(min=1e-30)).sum(-1).mean()
    return (policy * rewards).sum(-1).mean().item(), kl.item()


def _objective(reference: Tensor, rewards: Tensor, beta: float) -> Two:
    reward, kl = _formula(reference, rewards, beta)
    return reward - beta * kl, kl


def _zero_times_minus_infinity(reference: Tensor, rewards: Tensor, beta: float) -> Two:
    return _formula(reference, rewards, beta, kl=lambda p, q: p * (p.log() - q.log()))


_MISTAKES: dict[str, Prediction] = {
    "You multiply by beta: the tilt is exp(reward / beta). The smaller beta, the further the "
    "policy may go.": _changed(tilt=lambda r, beta: r * beta),
    "beta is not used: the tilt is exp(reward / beta).": _changed(tilt=lambda r, beta: r),
    "The reference is missing from the policy: the optimum is p_ref times exp(reward / beta), not "
    "a softmax of the rewards alone.": _changed(anchor=False),
    "You push the reward down: the tilt is exp(+ reward / beta).": (
        _changed(tilt=lambda r, beta: -r / beta)
    ),
    "You normalise over the prompts: each prompt has a policy of its own, over its replies, the "
    "last axis.": _changed(axis=0),
    "Your KL runs the other way: it is the mean of log(p / p_ref) over the policy's own replies.": (
        _changed(kl=lambda p, q: torch.xlogy(q, q / p))
    ),
    "You return beta times the KL: that is the penalty; asked is the KL itself, in nats.": (
        _changed(scale=lambda beta: beta)
    ),
    "Your first number is the whole objective, reward less penalty: asked is the reward alone.": (
        _objective
    ),
    "You measure the KL in bits: use the natural logarithm.": (
        _changed(scale=lambda beta: 1.4426950408889634)
    ),
    "You always take the best reply. That is where beta = 0 ends; with a penalty the policy keeps "
    "some of what the reference says.": _greedy,
    "That is the reference itself, where training starts: it ends at p_ref exp(reward / beta).": (
        _at_the_start
    ),
    "You sum over the prompts: take the mean.": _changed(total=Tensor.sum),
    "exp(reward / beta) overflows for a small beta: add reward / beta to log p_ref and let softmax "
    "subtract the largest.": _overflowing,
    "A reply that the policy never gives adds nothing to the KL: 0 times log 0 counts as 0. "
    "torch.xlogy and torch.special.entr know that.": _zero_times_minus_infinity,
}


def _between(answer: Prediction, seed: int) -> str | None:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(1, 6, generator=generator).softmax(-1)
    rewards = torch.randn(1, 6, generator=generator)
    found = [tuple(map(float, answer(reference, rewards, beta))) for beta in (4.0, 1.0, 0.25)]
    if all(a[0] < b[0] and a[1] < b[1] for a, b in zip(found, found[1:], strict=False)):
        return None
    shown = "; ".join(f"{r:.3f} and {k:.3f}" for r, k in found)
    return f"For beta = 4, 1 and 1/4 you predict reward and KL of {shown}: both must rise."


tilted_policy = Exercise(
    name="alignment/tilted_policy",
    title="Where the KL penalty lets training end",
    answer="my_prediction",
    kind="predict",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_measured,
    mistakes=_MISTAKES,
    compare=partial(close, rtol=1e-3, atol=1e-4),
    properties=(Property("a smaller beta buys more reward for more KL", _between),),
)
