"""Where weights begin: Xavier, He, GPT-2's residual scaling, zero projections; and what it does.

The draws take a generator and are, number by number, those of `torch.nn.init`. muP is in `mup`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.architecture.decoder import WRITES, Decoder

# How much an activation shrinks the signal, to be made up for by the weights: 1 / √E[f(z)²] for
# ReLU (He et al. 2015, section 2.2), torch.nn.init.calculate_gain's 5/3 for tanh.
GAINS = {"linear": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0)}


def xavier_std(fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    """gain √(2 / (fan_in + fan_out)): between keeping the activations and keeping the gradients.

    Source: Glorot & Bengio 2010, equation 12.
    """
    return gain * math.sqrt(2.0 / (_counted(fan_in) + _counted(fan_out)))


def he_std(fan_in: int, gain: float = GAINS["relu"]) -> float:
    """gain / √fan_in: keeps the mean square passed on. Source: He et al. 2015, equation 10."""
    return gain / math.sqrt(_counted(fan_in))


@torch.no_grad()
def normal_(
    weight: Float[Tensor, "rows columns"], std: float, generator: torch.Generator | None = None
) -> Float[Tensor, "rows columns"]:
    """Fill with N(0, std²), in place."""
    return weight.normal_(0.0, std, generator=generator)


@torch.no_grad()
def uniform_(
    weight: Float[Tensor, "rows columns"], std: float, generator: torch.Generator | None = None
) -> Float[Tensor, "rows columns"]:
    """Fill evenly from −√3 std to √3 std, in place: the same standard deviation without tails."""
    bound = math.sqrt(3.0) * std
    return weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def gpt2_(model: Decoder, generator: torch.Generator | None = None, std: float = 0.02) -> None:
    """GPT-2's beginning, in place: N(0, 0.02²) everywhere, biases 0, gains 1.

    The 2 n_layers matrices that write to the residual stream get 1 / √(2 n_layers) of that, so that
    the stream grows by the same amount whatever the depth. Source: Radford et al. 2019, section
    2.3. Deviation: as in transformers, positions get `std` too (OpenAI's code has 0.01).
    """
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            writes = 2 * model.config.n_layers if name.endswith(WRITES) else 1
            weight.normal_(0.0, std / math.sqrt(writes), generator=generator)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)


@torch.no_grad()
def zero_projections_(model: Decoder) -> None:
    """Zero the matrices that write to the residual stream: every block begins as the identity.

    They still learn, since their gradient needs what they read, not what they are. The other
    matrices of a block have no gradient at the first step. Source: Zhang et al. 2019, "Fixup",
    section 3 (the last layer of each branch).
    """
    for name, weight in model.named_parameters():
        if name.endswith(WRITES):
            weight.zero_()


class Tower(nn.Module):
    """`depth` square matrices, each with an activation: x ← f(W x). No norm, no residual."""

    def __init__(self, depth: int, width: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
        self.activation = activation

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        for layer in self.layers:
            x = self.activation(layer(x))
        return x


@dataclass(frozen=True)
class Scales:
    """Root mean squares by depth: of what each layer gives out, and of the loss's gradient there.

    Gradients are divided by the last layer's, since the loss sets their common size.
    """

    activations: list[float]
    gradients: list[float]


def scales_by_depth(layers: Iterable[nn.Module], loss: Callable[[], Tensor]) -> Scales:
    """Run ``loss()`` forwards and backwards, and look at every layer's output on the way.

    Raises ValueError where ``loss`` doesn't use a layer.
    """
    outputs: dict[int, Tensor] = {}
    layers = list(layers)

    def keep(i: int) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            output.retain_grad()
            outputs[i] = output

        return hook

    hooks = [layer.register_forward_hook(keep(i)) for i, layer in enumerate(layers)]
    try:
        loss().backward()
    finally:
        for hook in hooks:
            hook.remove()
    missing = [i for i in range(len(layers)) if i not in outputs]
    if missing:
        raise ValueError(f"layers {missing} were not used by the loss")
    sizes = [_rms(outputs[i]) for i in range(len(layers))]
    slopes = [_rms(outputs[i].grad) for i in range(len(layers))]
    return Scales(sizes, [slope / slopes[-1] for slope in slopes])


def _rms(x: Tensor) -> float:
    return x.detach().double().square().mean().sqrt().item()


def _counted(fan: int) -> int:
    if fan < 1:
        raise ValueError(f"fan is {fan}: expected at least 1 number read or written")
    return fan
