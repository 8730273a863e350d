"""AdamW from scratch, and which weights it decays."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


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


class AdamW(torch.optim.Optimizer):
    r"""Adam with decoupled weight decay.

    For gradient g at step t, per weight θ::

        m ← β₁ m + (1 − β₁) g              the mean gradient
        v ← β₂ v + (1 − β₂) g²             the mean squared gradient
        θ ← θ − η λ θ                      decay, apart from the gradient
        θ ← θ − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)

    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2. As in torch, the
    decay isn't multiplied by the schedule apart from through η.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.1,
    ):
        if lr < 0:
            raise ValueError(f"lr={lr}: expected a rate of at least 0")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas={betas}: expected two numbers in [0, 1)")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """Move every weight that has a gradient. ``closure`` is not supported."""
        if closure is not None:
            raise ValueError("closure: this AdamW takes the gradients that are there, pass None")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: Tensor, grad: Tensor, group: dict) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(weight)
            state["square"] = torch.zeros_like(weight)
        state["step"] += 1
        (beta1, beta2), lr, t = group["betas"], group["lr"], state["step"].item()
        mean, square = state["mean"], state["square"]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        weight.mul_(1 - lr * group["weight_decay"])
        scale = (square / (1 - beta2**t)).sqrt_().add_(group["eps"])
        weight.addcdiv_(mean, scale, value=-lr / (1 - beta1**t))
