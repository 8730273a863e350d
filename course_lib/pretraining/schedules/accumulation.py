"""Gradient accumulation: a large batch in small parts, with the very same gradient."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.architecture.ops import at_least_float32
from course_lib.pretraining.loss import IGNORE, Batch, document_ids
from course_lib.pretraining.precision.autocast import autocast


def split(batch: Batch, batch_size: int) -> list[Batch]:
    """The batch in parts of ``batch_size`` rows; the last part may be smaller."""
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: expected at least 1")
    return list(zip(*(tensor.split(batch_size) for tensor in batch), strict=True))


def token_count(parts: Sequence[Batch]) -> int:
    """Targets that count, over all parts. Raises ValueError where there are none."""
    count = sum(int((targets != IGNORE).sum()) for _, targets in parts)
    if not count:
        raise ValueError(f"{len(parts)} part(s): all targets are {IGNORE}, nothing to learn from")
    return count


def surprisal_sum(
    logits: Float[Tensor, "batch seq vocab"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, ""]:
    """Sum (not mean) of -log p(target) in nats over the targets that are not IGNORE."""
    logits = at_least_float32(logits)
    picked = logits.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return (logits.logsumexp(-1) - picked).where(targets != IGNORE, 0.0).sum()


def accumulate(model: nn.Module, parts: Sequence[Batch], *, eos_id: int | None = None) -> float:
    r"""Leave in ``.grad`` the gradient of the mean loss over all tokens of all parts.

    With the parts P and N tokens in all::

        L = (1 / N) sum_P sum_{t in P} -log p(y_t),   grad L = sum_P grad (sum_{t in P} ... / N)

    N is counted before the first part, since each part is divided by it. Old gradients are dropped;
    only one part's activations exist at a time. Returns L. Over several ranks, N is the sum over
    the ranks, and a wrapper that averages gradients needs their number as a factor.
    """
    count, loss = token_count(parts), 0.0
    model.zero_grad(set_to_none=True)
    where = next(model.parameters()).device
    for part in parts:
        inputs, targets = (tensor.to(where) for tensor in part)
        with autocast(where):
            logits = model(inputs, documents=document_ids(inputs, eos_id))
            share = surprisal_sum(logits, targets) / count
        share.backward()
        loss += share.item()
    return loss


def gradients(model: nn.Module) -> Float[Tensor, " weights"]:
    """All gradients as one long vector, zeros where a weight has none."""
    return torch.cat([_grad(weight).flatten() for weight in model.parameters()])


def _grad(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad.detach().clone()
