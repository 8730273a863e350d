"""SGD, Adam, Lion and Adafactor. The others: `adamw`, `eight_bit`, `muon`, `schedule_free`.

Each is one rule for one weight; `per_weight.PerWeight` walks over the weights. None changes its
gradients. States are tensors with torch.optim's names, so that a checkpoint can hold them.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.architecture.ops import at_least_float32
from course_lib.pretraining.optimizers.adamw import adam_step
from course_lib.pretraining.optimizers.per_weight import PerWeight, checked


class SGD(PerWeight):
    r"""Gradient descent with momentum; decay is coupled, that is, part of the gradient.

    For gradient g of weight θ::

        g ← g + λ θ
        m ← μ m + g                        (m = g at the first step)
        θ ← θ − η m

    Source: Polyak 1964; Sutskever et al. 2013, equations 1 and 2 (there η is inside m).
    """

    def __init__(
        self, params: Iterable, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
    ):
        super().__init__(params, checked(lr=lr, momentum=momentum, weight_decay=weight_decay))

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        grad = grad + group["weight_decay"] * weight
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(grad)
        weight.sub_(momentum, alpha=group["lr"])


class Adam(PerWeight):
    r"""Adam; decay is coupled: g ← g + λ θ, so that Adam's division weakens it where g is large.

    The rest as in `adamw.AdamW`. Source: Kingma & Ba 2015, algorithm 1; the coupled decay is what
    Loshchilov & Hutter 2019, algorithm 2, call L2 regularisation.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, checked(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        grad = grad + group["weight_decay"] * weight
        adam_step(weight, grad, state, group)


class Lion(PerWeight):
    r"""The sign of a mean gradient: every weight moves by η, up or down.

    For gradient g of weight θ::

        θ ← θ − η λ θ
        θ ← θ − η sign(β₁ m + (1 − β₁) g)
        m ← β₂ m + (1 − β₂) g

    Source: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):
        super().__init__(params, checked(lr=lr, betas=betas, weight_decay=weight_decay))

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["exp_avg"] = torch.zeros_like(weight)
        (beta1, beta2), exp_avg = group["betas"], state["exp_avg"]
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(exp_avg.lerp(grad, 1 - beta1).sign_(), alpha=group["lr"])
        exp_avg.lerp_(grad, 1 - beta2)


class Adafactor(PerWeight):
    r"""Adam without a mean, and with a matrix's mean squares kept as one row and one column.

    For gradient G of matrix W at step t, with β = 1 − t^decay_power::

        r ← β r + (1 − β) mean over columns of G²        [rows, 1]
        c ← β c + (1 − β) mean over rows of G²           [1, columns]
        U = G / √(r c / mean(r))
        W ← W − η λ W
        W ← W − max(ε, rms(W)) · min(η, 1/√t) · U / max(1, rms(U))

    A vector keeps its mean squares whole. Source: Shazeer & Stern 2018, algorithms 4 to 6.
    Deviation, as in torch.optim.Adafactor: η is a rate (the paper's default is min(10⁻², 1/√t)) and
    mean squares are held above a tiny number, where the paper adds 10⁻³⁰ to G².
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        decay_power: float = -0.8,
        eps: float = 1e-3,
        weight_decay: float = 0.0,
    ):
        settings = checked(lr=lr, eps=eps, weight_decay=weight_decay)
        super().__init__(params, {**settings, "decay_power": decay_power})

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        state["step"] = state.get("step", torch.zeros(())) + 1
        t = state["step"].item()
        square = mean_square(grad, state, t ** group["decay_power"])
        update = grad * square.clamp(min=torch.finfo(grad.dtype).eps ** 2).rsqrt()
        scale = max(group["eps"], rms(weight)) * min(group["lr"], t**-0.5)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(update, alpha=scale / max(1.0, rms(update)))


def rms(x: Float[Tensor, "..."]) -> float:
    """Root of the mean square of all numbers."""
    return at_least_float32(x).norm().item() / x.numel() ** 0.5


def mean_square(grad: Float[Tensor, "..."], state: dict, new: float) -> Float[Tensor, "..."]:
    """Adafactor's estimate of the mean of G²: the row's times the column's over their mean."""
    if grad.ndim < 2:
        old = state.setdefault("variance", torch.zeros_like(grad))
        return old.lerp_(grad.square(), new)
    row = state.setdefault("row_var", torch.zeros_like(grad[..., :1]))
    column = state.setdefault("col_var", torch.zeros_like(grad[..., :1, :]))
    row.lerp_(grad.square().mean(-1, keepdim=True), new)
    column.lerp_(grad.square().mean(-2, keepdim=True), new)
    smallest = torch.finfo(grad.dtype).eps
    return row * column / row.mean(-2, keepdim=True).clamp(min=smallest)
