"""The training loop: one file, no framework.

``train`` draws batch ``i`` from ``batch_at(i)``, a pure function of the step number. So a run that
was killed goes on from its checkpoint with the very batches it would have seen, and ends with the
very same weights. What else a run may need around its steps (other ranks, a veto on an update, a
reason to stop) comes in through ``Hooks``; see `real_run.hooks`.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.architecture.ops import at_least_float32
from course_lib.pretraining.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from course_lib.pretraining.checkpoints.folders import latest_valid
from course_lib.pretraining.loss import IGNORE, Batch, cross_entropy, document_ids
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups
from course_lib.pretraining.precision.autocast import autocast
from course_lib.pretraining.schedules.rates import wsd


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, how fast. ``warmup`` and ``decay`` are shares of the run (see `rates.wsd`).

    ``batch_size`` and ``seed`` are for whoever makes the batches: `train` takes what it is given.
    """

    steps: int
    batch_size: int
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
        for name in ("steps", "batch_size", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if not (0 < self.lr < math.inf and self.clip > 0):  # NaN is neither
            raise ValueError(f"lr={self.lr}, clip={self.clip}: both must be numbers above 0")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        progress = (step + 1) / self.steps
        return self.lr * wsd(progress, warmup=self.warmup, decay=self.decay)


@dataclass(frozen=True, kw_only=True)
class StepLog:
    """One line of a run's log. Loss in nats a token, tokens and seconds since the run began."""

    step: int
    tokens: int
    loss: float
    lr: float
    grad_norm: float
    seconds: float


class Hooks:
    """What may happen around a step. These do nothing: one process, which never saves."""

    def begin(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Before the first step: the number of steps that are done already."""
        return 0

    def forward(self, model: nn.Module) -> nn.Module:
        """What the forward pass goes through: the model, or an engine around it."""
        return model

    def gather(self, model: nn.Module, loss: Tensor) -> Tensor:
        """After the backward pass: make gradients and loss those of all ranks."""
        return loss

    def allow(self, step: int, model: nn.Module, loss: Tensor, norm: Tensor) -> bool:
        """Before clipping and the update: whether the weights may move."""
        return True

    def end(
        self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, last: bool
    ) -> bool:
        """After the step: save what must be saved; True ends the run here."""
        return False


class Saving(Hooks):
    """Save every so many steps and at the end; begin from the newest checkpoint that is whole."""

    def __init__(self, folder: Path, every: int):
        self.folder, self.every = folder, every

    def begin(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Go on from the newest valid checkpoint, where there is one."""
        newest = latest_valid(self.folder)
        return load_checkpoint(newest, model, optimizer)["step"] if newest else 0

    def end(
        self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, last: bool
    ) -> bool:
        """Save where it is due."""
        if last or step % self.every == 0:
            save_checkpoint(self.folder, step, model, optimizer)
        return False


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
    hooks: Hooks | None = None,
) -> list[StepLog]:
    """Train ``model`` in place and return the log.

    ``batch_at(step)`` gives (inputs, targets), both [batch seq], targets `loss.IGNORE` where there
    is no loss. With ``eos_id``, tokens attend within their own document only. With ``checkpoint``,
    a folder, the run saves there every ``save_every`` steps and goes on from what is there; your
    own ``hooks`` do the saving themselves, so both together are refused. ``until`` stops early, on
    the schedule of the whole run. A model on a GPU is compiled, and its products are in bfloat16.
    Raises ValueError where the loss or the gradient stops being finite, and names the step: the
    weights stay as they were before it, and nothing of it is saved. Raises ValueError where the
    checkpoint has more finished steps than this run is asked for.
    """
    if checkpoint and hooks:
        raise ValueError(
            f"checkpoint={checkpoint} and hooks={type(hooks).__name__}: expected one of them; "
            "a run with hooks of its own saves in their end()"
        )
    last = config.steps if until is None else min(until, config.steps)
    groups = param_groups(model, config.weight_decay)
    optimizer = AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2))
    hooks = hooks or (Saving(checkpoint, config.save_every) if checkpoint else Hooks())
    first = hooks.begin(model, optimizer)
    if first > last:
        raise ValueError(
            f"{last} steps: {first} are done already in {checkpoint or 'the checkpoint'}; expected "
            "at least as many, or another folder"
        )
    where = next(model.parameters()).device
    forward = hooks.forward(model)
    forward = torch.compile(forward, dynamic=False) if where.type == "cuda" else forward
    logs, tokens, began = [], 0, time.perf_counter()
    model.train()
    for step in range(first, last):
        inputs, targets = (tensor.to(where) for tensor in batch_at(step))
        rate, done = config.rate(step), step + 1
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.zero_grad(set_to_none=True)  # before the forward pass: FSDP2 shows other weights then
        with autocast(where):
            loss = loss_fn(forward(inputs, documents=document_ids(inputs, eos_id)), targets)
        loss, norm = _backward(model, loss, hooks)
        moved = hooks.allow(done, model, loss, norm)
        if moved:
            _require_finite(loss, norm, done)
            for group in cut_alike(model.parameters()):
                nn.utils.clip_grads_with_norm_(group, config.clip, norm)
            optimizer.step()
        tokens += int((targets != IGNORE).sum())
        if done % config.log_every == 0 or done == last or step == 0:
            seconds = time.perf_counter() - began
            log = StepLog(
                step=done,
                tokens=tokens,
                loss=loss.item(),
                lr=rate,
                grad_norm=norm.item(),
                seconds=seconds,
            )
            logs.append(log)
            if on_log:
                on_log(log)
        if hooks.end(done, model, optimizer, last=done == last):
            break
    model.eval()
    return logs


def _backward(model: nn.Module, loss: Tensor, hooks: Hooks) -> tuple[Tensor, Tensor]:
    """Gradients of the loss; returns the loss (of all ranks) and the gradients' norm."""
    loss.backward()
    loss = hooks.gather(model, loss)
    return loss, total_norm(model.parameters())


def cut_alike(weights: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """The weights that have a gradient, in groups: a rank may hold parts (a DTensor), and torch
    does arithmetic on a list only where all are cut alike. Plain weights are one group."""
    groups: dict[tuple | None, list[nn.Parameter]] = {}
    for weight in weights:
        if (grad := weight.grad) is not None:
            cut = (grad.device_mesh, grad.placements) if hasattr(grad, "placements") else None
            groups.setdefault(cut, []).append(weight)
    return list(groups.values())


def total_norm(weights: Iterable[nn.Parameter]) -> Tensor:
    """The 2-norm of all gradients together, those of which a rank holds a part counted whole."""
    norms = []
    for group in cut_alike(weights) or [[]]:
        norm = nn.utils.get_total_norm([at_least_float32(weight.grad) for weight in group])
        norms.append(norm.full_tensor() if hasattr(norm, "placements") else norm)
    return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))


def _require_finite(loss: Tensor, norm: Tensor, step: int) -> None:
    if not torch.isfinite(loss + norm):
        raise ValueError(
            f"loss = {loss.item()} and gradient norm = {norm.item()} at step {step}, before its "
            "update: lower lr or look at the batch"
        )
