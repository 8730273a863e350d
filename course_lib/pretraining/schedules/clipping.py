"""Gradient clipping from scratch."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from course_lib.architecture.ops import at_least_float32

_EPS = 1e-6  # torch's; without it a gradient of zero would be divided by zero


@torch.no_grad()
def clip_gradients(parameters: Iterable[Tensor], max_norm: int | float) -> float:
    r"""Scale all gradients by one factor, so that their common norm is at most ``max_norm``.

    With g all gradients in one long vector::

        g <- g min(1, max_norm / (|g| + 1e-6))

    One factor for all keeps the direction. Returns |g| before clipping, the figure to log. Raises
    ValueError where the norm isn't finite: a factor can't mend that. The library twin,
    torch.nn.utils.clip_grad_norm_, only does so with error_if_nonfinite=True. Source: Pascanu et
    al. 2013, algorithm 1.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm={max_norm}: expected a norm above 0")
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(at_least_float32(g).square().sum().item() for g in grads))
    if not math.isfinite(norm):
        raise ValueError(f"gradient norm = {norm}: skip this step and look at its batch")
    factor = min(1.0, max_norm / (norm + _EPS))
    for grad in grads:
        grad.mul_(factor)
    return norm
