"""Adam's step from scratch, AdamW, and which weights it decays."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from course_lib.pretraining.optimizers.per_weight import PerWeight, checked


def param_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: matrices are decayed; vectors (the norms' gains) are not.

    Decay pulls a weight towards zero. A gain's natural value is 1, so pulling it only fights the
    loss. Source: the practice of GPT-3 (Brown et al. 2020, appendix B) and its successors.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


def adam_step(weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
    r"""Adam's move of one weight, without decay. ``group`` holds lr (η), betas and eps.

    For gradient g at step t::

        m ← β₁ m + (1 − β₁) g              the mean gradient, ``exp_avg``
        v ← β₂ v + (1 − β₂) g²             the mean squared gradient, ``exp_avg_sq``
        θ ← θ − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)

    Names as in torch.optim. Source: Kingma & Ba 2015, algorithm 1.
    """
    if not state:
        state["step"] = torch.zeros(())
        state["exp_avg"] = torch.zeros_like(weight)
        state["exp_avg_sq"] = torch.zeros_like(weight)
    state["step"] += 1
    (beta1, beta2), t = group["betas"], state["step"].item()
    exp_avg = state["exp_avg"].lerp_(grad, 1 - beta1)
    exp_avg_sq = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    denominator = (exp_avg_sq / (1 - beta2**t)).sqrt_().add_(group["eps"])
    weight.addcdiv_(exp_avg, denominator, value=-group["lr"] / (1 - beta1**t))


class AdamW(PerWeight):
    r"""Adam with decoupled weight decay: θ ← θ − η λ θ, apart from the gradient, then Adam's step.

    Source: Loshchilov & Hutter 2019, algorithm 2. As in torch, the decay isn't multiplied by the
    schedule apart from through η.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.1,
    ):
        super().__init__(params, checked(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        adam_step(weight, grad, state, group)
