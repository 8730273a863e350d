"""The training loop: one file, no framework.

``train`` draws batch ``i`` from ``batch_at(i)``, a pure function of the step number. So a run that
was killed goes on from its checkpoint with the very batches it would have seen, and ends with the
very same weights.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib import runtime
from course_lib.pretraining.checkpoint import load_checkpoint, save_checkpoint
from course_lib.pretraining.optim import AdamW, param_groups
from course_lib.pretraining.schedule import wsd

IGNORE = -100
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, how fast. ``warmup`` and ``decay`` are shares of the run (see schedule.wsd)."""

    steps: int
    batch_rows: int
    lr: float
    warmup: float = 0.05
    decay: float = 0.3
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    seed: int = 0
    log_every: int = 20
    save_every: int = 500

    def __post_init__(self):
        for name in ("steps", "batch_rows", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.lr <= 0 or self.clip <= 0:
            raise ValueError(f"lr={self.lr}, clip={self.clip}: both must be above 0")


@dataclass(frozen=True, kw_only=True)
class StepLog:
    """One line of a run's log. Loss in nats a token, tokens and seconds since the run began."""

    step: int
    tokens: int
    loss: float
    lr: float
    grad_norm: float
    seconds: float


def cross_entropy(
    logits: Float[Tensor, "batch seq vocab"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, ""]:
    """Mean of -log p(target) in nats over the targets that are not -100.

    -log softmax(z)_y = logsumexp(z) - z_y. The library twin is torch.nn.functional.cross_entropy.
    Raises ValueError where every target is -100: there is no mean of nothing.
    """
    kept = targets != IGNORE
    if not kept.any():
        raise ValueError("targets: all are -100, so there is no token to take the loss of")
    logits = logits.float()
    picked = logits.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return ((logits.logsumexp(-1) - picked) * kept).sum() / kept.sum()


def train(
    model: nn.Module,
    batch_at: Callable[[int], Batch],
    config: TrainConfig,
    *,
    eos_id: int | None = None,
    checkpoint: Path | None = None,
    on_log: Callable[[StepLog], None] | None = None,
    loss_fn: Callable[..., Tensor] = cross_entropy,
    until: int | None = None,
) -> list[StepLog]:
    """Train ``model`` in place and return the log.

    ``batch_at(step)`` gives (inputs, targets), both [batch seq], targets -100 where there is no
    loss. With ``eos_id``, tokens attend within their own document only. With ``checkpoint``, the
    run saves there every ``save_every`` steps and goes on from there if the file exists. ``until``
    stops early, on the schedule of the whole run. Raises ValueError where the loss stops being
    finite, and names the step.
    """
    last = min(until or config.steps, config.steps)
    groups = param_groups(model, config.weight_decay)
    optimizer = AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2))
    first = 0
    if checkpoint and checkpoint.exists():
        first = load_checkpoint(checkpoint, model, optimizer)
    forward, where = runtime.compiled(model), next(model.parameters()).device
    logs, tokens, began = [], 0, time.perf_counter()
    model.train()
    for step in range(first, last):
        inputs, targets = (tensor.to(where) for tensor in batch_at(step))
        rate = _set_rate(optimizer, config, step)
        with runtime.autocast():
            loss = loss_fn(forward(inputs, documents=document_ids(inputs, eos_id)), targets)
        norm = _backward(model, loss, config.clip)
        optimizer.step()
        tokens += int((targets != IGNORE).sum())
        done = step + 1
        if done % config.log_every == 0 or done == last or step == 0:
            seconds = time.perf_counter() - began
            _require_finite(loss, done)
            logs.append(
                StepLog(
                    step=done,
                    tokens=tokens,
                    loss=loss.item(),
                    lr=rate,
                    grad_norm=norm.item(),
                    seconds=seconds,
                )
            )
            if on_log:
                on_log(logs[-1])
        if checkpoint and (done % config.save_every == 0 or done == last):
            save_checkpoint(checkpoint, done, model, optimizer)
    model.eval()
    return logs


def document_ids(
    inputs: Int[Tensor, "batch seq"], eos_id: int | None
) -> Int[Tensor, "batch seq"] | None:
    """Which document of its row each token belongs to: one more at every ``eos_id``."""
    return None if eos_id is None else (inputs == eos_id).cumsum(1)


def _set_rate(optimizer: torch.optim.Optimizer, config: TrainConfig, step: int) -> float:
    multiplier = wsd((step + 1) / config.steps, warmup=config.warmup, decay=config.decay)
    for group in optimizer.param_groups:
        group["lr"] = config.lr * multiplier
    return config.lr * multiplier


def _backward(model: nn.Module, loss: Tensor, clip: float) -> Tensor:
    """Gradients of the loss, scaled down together where their common norm is above ``clip``."""
    model.zero_grad(set_to_none=True)
    loss.backward()
    return nn.utils.clip_grad_norm_(model.parameters(), clip)


def _require_finite(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise ValueError(f"loss = {loss.item()} at step {step}: lower lr or look at the batch")
