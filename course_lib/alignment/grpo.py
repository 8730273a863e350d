"""GRPO: reinforcement learning that takes its baseline from a group of replies.

For each question the policy draws a group of replies; a reply's advantage says how much better
than its own group it did, and every token of the reply shares it:

    A_i = (r_i - mean(r)) / (std(r) + eps)
    L   = - mean over tokens of  min(w A, clip(w, 1 - c, 1 + c) A)  +  beta · KL(p || p_ref)
    w   = p(token) / p_old(token)

Shao et al. 2024, "DeepSeekMath", equations 3 and 4. Deviations: one gradient step a batch, so
w = 1 and the clip never acts unless you pass `old`; tokens are averaged over the whole batch, not
reply by reply, so that long wrong replies aren't let off (Yu et al. 2025, "DAPO", section 3.3).
TRL multiplies the KL by w as well (`use_bias_correction_kl`); the paper and ours don't.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.alignment.reward import Reward, score
from course_lib.alignment.rollout import Rollout, rollout
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.generate import MAX_NEW_TOKENS
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.loss import IGNORE
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups
from course_lib.pretraining.schedules.rates import cool_down, warm_up
from course_lib.sft.masking import Example, pad_rows, target_logprobs
from course_lib.world import Question

WARM_UP = 5  # steps


@dataclass(frozen=True, kw_only=True)
class GrpoConfig:
    """How many questions a step, replies a question, and how hard to hold on to the reference."""

    steps: int = 60
    questions: int = 16
    samples: int = 8
    lr: float = 3e-4
    beta: float = 0.02
    clip_ratio: float = 0.2
    temperature: float = 1.0
    max_new_tokens: int = MAX_NEW_TOKENS
    microbatch: int = 32
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(f"samples {self.samples}: a group needs at least 2 replies to compare")
        for name in ("steps", "questions", "max_new_tokens", "microbatch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} must be at least 1")
        if not 0 <= self.beta < math.inf:  # NaN is neither
            raise ValueError(f"beta {self.beta} must be a number, at least 0")
        for name in ("lr", "clip_ratio", "temperature", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} {getattr(self, name)} must be a number above 0")


@dataclass(frozen=True, kw_only=True)
class GrpoLog:
    """One step. reward: what the policy was trained on; kl: nats a token from the reference;
    length: tokens a reply; useful: the share of groups whose replies differ in reward."""

    step: int
    reward: float
    kl: float
    length: float
    useful: float


def group_advantages(
    rewards: Float[Tensor, "groups samples"], eps: float = 1e-4
) -> Float[Tensor, "groups samples"]:
    """(r - mean) / (std + eps) within each group; exactly 0 where all of a group did alike.

    Asked of the rewards, not of r - mean: the mean of eight times 0.7 is not 0.7 in float32.
    """
    differ = (rewards != rewards[:, :1]).any(-1, keepdim=True)
    centred = rewards - rewards.mean(-1, keepdim=True)
    return (centred / (rewards.std(-1, keepdim=True) + eps)).where(differ, 0.0)


def kl_to_reference(
    logprobs: Float[Tensor, "batch seq"], reference: Float[Tensor, "batch seq"]
) -> Float[Tensor, "batch seq"]:
    """r - log r - 1 with r = p_ref / p: an estimate of KL(p || p_ref) a token, never negative.

    Schulman 2020, "Approximating KL Divergence", estimator k3: unbiased when sampled from p.
    """
    log_ratio = reference - logprobs
    return log_ratio.exp() - log_ratio - 1


def grpo_loss(
    logprobs: Float[Tensor, "batch seq"],
    old: Float[Tensor, "batch seq"],
    reference: Float[Tensor, "batch seq"],
    advantages: Float[Tensor, "batch"],
    counted: Float[Tensor, "batch seq"],
    *,
    beta: float,
    clip_ratio: float,
) -> Float[Tensor, ""]:
    """The clipped objective plus beta times the KL, averaged over the counted tokens."""
    ratio = (logprobs - old).exp()
    limited = ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
    gain = torch.minimum(ratio * advantages[:, None], limited * advantages[:, None])
    per_token = beta * kl_to_reference(logprobs, reference) - gain
    return per_token.where(counted.bool(), 0.0).sum() / counted.sum()


def grpo(
    model: Decoder,
    tokenizer: Tokenizer,
    questions_at: Callable[[int], Sequence[Question]],
    reward: Reward,
    config: GrpoConfig,
    *,
    on_log: Callable[[GrpoLog, Rollout], None] | None = None,
) -> list[GrpoLog]:
    """Train `model` in place; step i answers questions_at(i). The reference is the start."""
    reference = copy.deepcopy(model).requires_grad_(False).eval()
    optimizer = AdamW(param_groups(model, 0.0), lr=config.lr, betas=(0.9, 0.99))
    generator = torch.Generator(model.device).manual_seed(config.seed)
    logs: list[GrpoLog] = []
    for step in range(config.steps):
        sampled = rollout(
            model,
            tokenizer,
            questions_at(step),
            samples=config.samples,
            generator=generator,
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
        )
        rewards = score(reward, sampled.questions, sampled.texts)
        for group in optimizer.param_groups:
            share = min(warm_up(step, WARM_UP), cool_down(step / config.steps, decay=0.5))
            group["lr"] = config.lr * share
        kl = update(model, reference, optimizer, sampled, rewards, config, tokenizer.eos_id)
        useful = (rewards != rewards[:, :1]).any(-1).float().mean().item()
        logs.append(
            GrpoLog(
                step=step + 1,
                reward=rewards.mean().item(),
                kl=kl,
                length=sampled.mean_length,
                useful=useful,
            )
        )
        if on_log:
            on_log(logs[-1], sampled)
    model.eval()
    return logs


def update(
    model: Decoder,
    reference: Decoder,
    optimizer: AdamW,
    sampled: Rollout,
    rewards: Float[Tensor, "groups samples"],
    config: GrpoConfig,
    pad_id: int,
) -> float:
    """One gradient step on the sampled replies; returns the KL to the reference, nats a token.

    Groups whose replies all did alike have no advantage and are left out, as in DAPO's dynamic
    sampling (Yu et al. 2025, section 3.2). Replies of like length share a microbatch.
    """
    advantages = group_advantages(rewards).flatten().tolist()
    examples = [example for group in sampled.examples for example in group]
    useful = [pair for pair in zip(examples, advantages, strict=True) if pair[1] != 0]
    useful.sort(key=lambda pair: pair[0].length)
    tokens = sum(len(example.reply) for example, _ in useful)
    optimizer.zero_grad(set_to_none=True)
    model.train()
    kl = 0.0
    for start in range(0, len(useful), config.microbatch):
        some, their_advantages = zip(*useful[start : start + config.microbatch], strict=True)
        loss, kl_sum = _losses(model, reference, some, their_advantages, config, pad_id)
        (loss / tokens).backward()
        kl += kl_sum / tokens
    nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return kl


def _losses(
    model: Decoder,
    reference: Decoder,
    examples: Sequence[Example],
    advantages: Sequence[float],
    config: GrpoConfig,
    pad_id: int,
) -> tuple[Tensor, float]:
    """Loss and KL of one microbatch, both summed over its reply tokens."""
    device = model.device
    inputs, targets = (t.to(device) for t in pad_rows(examples, pad_id))
    counted = (targets != IGNORE).float()
    with torch.no_grad():
        reference_logprobs = target_logprobs(reference(inputs), targets)
    logprobs = target_logprobs(model(inputs), targets)
    loss = grpo_loss(
        logprobs,
        logprobs.detach(),
        reference_logprobs,
        torch.tensor(advantages, device=device),
        counted,
        beta=config.beta,
        clip_ratio=config.clip_ratio,
    )
    kl = kl_to_reference(logprobs.detach(), reference_logprobs).where(counted.bool(), 0.0).sum()
    return loss * counted.sum(), kl.item()


@torch.no_grad()
def mean_kl(model: Decoder, reference: Decoder, sampled: Rollout, pad_id: int) -> float:
    """KL(model || reference) in nats a token, estimated on replies that `model` sampled."""
    device = model.device
    examples = [example for group in sampled.examples for example in group]
    total = tokens = 0.0
    for start in range(0, len(examples), 64):
        inputs, targets = (t.to(device) for t in pad_rows(examples[start : start + 64], pad_id))
        ours, theirs = (target_logprobs(m(inputs), targets) for m in (model, reference))
        counted = targets != IGNORE
        total += kl_to_reference(ours, theirs).where(counted, 0.0).sum().item()
        tokens += counted.sum().item()
    return total / tokens
