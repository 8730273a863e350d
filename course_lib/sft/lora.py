"""LoRA: fine-tune a low-rank change of each matrix and leave the matrix itself alone.

    y = W x + (alpha / rank) · B A x,      A: [rank, in],  B: [out, rank]

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1. B starts at zero,
so the adapted model starts out equal to the base model; A starts random, so B gets a gradient.
Deviation from the paper: A is drawn from Kaiming's uniform law, as PEFT does, not from a Gaussian.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank change beside it."""

    def __init__(
        self,
        base: nn.Linear,
        *,
        rank: int,
        alpha: int | float,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not 0 < rank <= min(base.weight.shape):
            raise ValueError(f"rank {rank} must lie in 1..{min(base.weight.shape)}")
        if not 0 < alpha < math.inf:
            raise ValueError(f"alpha {alpha} must be a number above 0")
        self.base = base.requires_grad_(False)
        self.in_features, self.out_features = base.in_features, base.out_features
        self.scale = alpha / rank
        out_features, in_features = base.weight.shape
        self.lora_a = nn.Parameter(base.weight.new_empty(rank, in_features))
        self.lora_b = nn.Parameter(base.weight.new_zeros(out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5), generator=generator)

    @property
    def weight(self) -> Float[Tensor, "d_out d_in"]:
        """W + (alpha / rank) · B A, for layers whose matrix is used as such: an untied head, the
        key and value matrices that latent attention folds into its queries."""
        return self.base.weight + self.scale * self.lora_b @ self.lora_a

    @property
    def bias(self) -> Tensor | None:
        return self.base.bias

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        return self.base(x) + self.scale * (x @ self.lora_a.T @ self.lora_b.T)

    def merged(self) -> nn.Linear:
        """One plain linear layer that computes the same: W + (alpha / rank) · B A."""
        with torch.no_grad():
            self.base.weight += self.scale * self.lora_b @ self.lora_a
        return self.base.requires_grad_(True)


def add_lora(
    model: nn.Module,
    *,
    rank: int,
    alpha: int | float,
    layers: Iterable[str],
    generator: torch.Generator | None = None,
) -> list[str]:
    """Freeze `model` and put an adapter on every linear layer whose last name is in `layers`.

    Works in place and returns the full names of the adapted layers. Raises ValueError where a
    name matches nothing, since a silent typo would train nothing.
    """
    wanted = set(layers)
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in wanted
    ]
    missing = wanted - {name.rsplit(".", 1)[-1] for name in found}
    if missing:
        others = {n.rsplit(".", 1)[-1]: type(m).__name__ for n, m in model.named_modules()}
        named = [f"{name} is a {others[name]}" for name in sorted(missing) if name in others]
        raise ValueError(
            f"no linear layer is called {', '.join(sorted(missing))}"
            + (f": {', '.join(named)}" if named else "")
        )
    model.requires_grad_(False)
    for name in found:
        layer = model.get_submodule(name)
        adapter = LoraLinear(layer, rank=rank, alpha=alpha, generator=generator)
        model.set_submodule(name, adapter)
    return found


def merge_lora(model: nn.Module) -> nn.Module:
    """Fold every adapter into its layer, in place: same outputs, no extra work at inference."""
    adapters = [n for n, m in model.named_modules() if isinstance(m, LoraLinear)]
    for name in adapters:
        model.set_submodule(name, model.get_submodule(name).merged())
    return model.requires_grad_(True)


def trainable_share(model: nn.Module) -> float:
    """The share of the parameters that training will change."""
    total = sum(p.numel() for p in model.parameters())
    return sum(p.numel() for p in model.parameters() if p.requires_grad) / total
