r"""Schedule-Free AdamW: the model is a running mean of the weights, and no schedule falls.

Three sequences: z moves, x is z's mean and the model that you keep, and gradients are taken between
the two, at y::

    y = (1 − β₁) z + β₁ x
    v ← β₂ v + (1 − β₂) g(y)²
    z ← z − γ (g(y) / (√(v / (1 − β₂ᵗ)) + ε) + λ y)
    x ← (1 − c) x + c z,   c = Γ² / Σ Γ²

γ is η times a linear warm-up, and Γ the largest γ so far: the mean counts late steps more than
those of the warm-up. Source: Defazio et al. 2024, "The Road Less Scheduled", algorithm 1.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from course_lib.pretraining.optimizers.per_weight import PerWeight, checked


class ScheduleFreeAdamW(PerWeight):
    """The rule above. x isn't stored: the weights hold y and the state z, which give it.

    Call ``eval()`` before you use or save the weights, which puts x there, and ``train()`` before
    the next step, else it raises ValueError.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
    ):
        settings = checked(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        if betas[0] == 0:
            raise ValueError("betas[0]=0: y would be z, and x could not be had from it")
        super().__init__(params, {**settings, "warmup_steps": warmup_steps, "training": True})

    def _move(self, y: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not group["training"]:
            raise ValueError("the weights hold the mean x: call train() before step()")
        (beta1, beta2), z = group["betas"], state.setdefault("z", y.clone())
        exp_avg_sq = state.setdefault("exp_avg_sq", torch.zeros_like(y))
        t, rate, share = _advance(state, group)
        exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = (exp_avg_sq / (1 - beta2**t)).sqrt_().add_(group["eps"])
        x = y.lerp(z, 1 - 1 / beta1)  # y solved for x
        z.sub_(grad / denominator + group["weight_decay"] * y, alpha=rate)
        y.copy_(x.lerp_(z, share).lerp_(z, 1 - beta1))

    def eval(self) -> None:
        """Put x into the weights."""
        self._turn(False)

    def train(self) -> None:
        """Put y back into the weights."""
        self._turn(True)

    @torch.no_grad()
    def _turn(self, training: bool) -> None:
        for group in self.param_groups:
            if group["training"] != training:
                share = 1 - group["betas"][0] if training else 1 - 1 / group["betas"][0]
                for weight in filter(self.state.get, group["params"]):
                    weight.lerp_(self.state[weight]["z"], share)
            group["training"] = training


def _advance(state: dict, group: dict) -> tuple[int, float, float]:
    """Count a step: its number t, its rate γ, and the share c of the mean that it gets."""
    counts = state.setdefault("counts", torch.zeros(3, dtype=torch.float64))  # t, Γ, Σ Γ²
    t = int(counts[0]) + 1
    rate = group["lr"] * min(1.0, t / max(1, group["warmup_steps"]))
    top = max(counts[1].item(), rate)
    total = counts[2].item() + top**2
    counts.copy_(torch.tensor([t, top, total], dtype=counts.dtype))
    return t, rate, top**2 / total if total else 0.0
