"""What every optimizer of the chapter shares: walk over the weights, move each, refuse nonsense."""

import math

import torch
from torch import Tensor

SETTINGS = {"lr", "betas", "eps", "weight_decay", "momentum"}


class PerWeight(torch.optim.Optimizer):
    """An optimizer that moves one weight at a time: a subclass writes ``_move``.

    ``state`` is that weight's own dictionary of tensors, empty at its first step.
    """

    @torch.no_grad()
    def step(self, closure: object = None) -> None:
        """Move every weight that has a gradient. Gradients are read and left as they are."""
        if closure is not None:
            raise ValueError("closure: the gradients that are there are taken, pass None")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, self.state[weight], group)

    def add_param_group(self, param_group: dict) -> None:
        """As torch's; a group's own settings are held to the same ranges as the defaults."""
        checked(**{name: param_group[name] for name in SETTINGS & param_group.keys()})
        super().add_param_group(param_group)

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        raise NotImplementedError


def checked(**settings) -> dict:
    """The settings as an optimizer's defaults.

    Raises ValueError that names the one out of range: betas and momentum in [0, 1), others >= 0.
    """
    for name, value in settings.items():
        if name == "betas":
            if not all(0 <= beta < 1 for beta in value):
                raise ValueError(f"betas={value}: expected two numbers in [0, 1)")
        elif name == "momentum" and not 0 <= value < 1:
            raise ValueError(f"momentum={value}: expected a number in [0, 1)")
        elif isinstance(value, int | float) and not 0 <= value < math.inf:
            raise ValueError(f"{name}={value}: expected at least 0")
    return settings
