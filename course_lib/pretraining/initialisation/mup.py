r"""muP: which power of the width each weight's scale, multiplier and rate follow.

At the base width every parametrisation here is the course's own decoder; at width w = ratio × base
they differ. Head size stays and heads are added, so that attention's 1/√d_head stays as well (with
growing heads muP wants 1/d_head: Yang et al. 2022, definition 4.1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.ops import at_least_float32


@dataclass(frozen=True)
class Rule:
    """Powers of the width: of the initial standard deviation, of a factor on the output, of η."""

    std: float
    multiplier: float
    rate: float


KEPT, HIDDEN = Rule(0.0, 0.0, 0.0), Rule(-0.5, 0.0, -1.0)
PARAMETRISATIONS = {
    # One rate for all and N(0, 1 / fan_in): what people do (the grey columns of table 3).
    "standard": {
        "input": KEPT,
        "hidden": Rule(-0.5, 0.0, 0.0),
        "output": Rule(-0.5, 0.0, 0.0),
        "tied": Rule(-0.5, 0.0, 0.0),
        "vector": KEPT,
    },
    # Yang et al. 2022, table 3, the Adam columns. It has no factor, so it can't tie.
    "mup, table 3": {
        "input": KEPT,
        "hidden": HIDDEN,
        "output": Rule(-1.0, 0.0, -1.0),
        "vector": KEPT,
    },
    # The same function with a factor on the logits: table 8. The embedding may be the head.
    "mup": {
        "input": KEPT,
        "hidden": HIDDEN,
        "output": Rule(0.0, -1.0, 0.0),
        "tied": Rule(0.0, -1.0, 0.0),
        "vector": KEPT,
    },
}


def role(name: str, weight: Tensor, tied: bool) -> str:
    """What a weight of the decoder is, by its name: input, tied, output, hidden or vector."""
    if weight.ndim < 2:
        return "vector"
    if name == "embed.weight":
        return "tied" if tied else "input"
    return "output" if name == "head.weight" else "hidden"


class WidthDecoder(Decoder):
    """A decoder whose weights and logits follow a parametrisation from `base` to its own width.

    Raises ValueError for an unknown parametrisation, or one that can't tie with a tied model.
    """

    def __init__(
        self,
        config: ModelConfig,
        parametrisation: str,
        base: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(config, generator)
        if parametrisation not in PARAMETRISATIONS:
            known = ", ".join(map(repr, PARAMETRISATIONS))
            raise ValueError(f"{parametrisation!r}: expected one of {known}")
        self.rules, self.ratio = PARAMETRISATIONS[parametrisation], config.d_model / base
        head = "tied" if config.tied else "output"
        if head not in self.rules:
            raise ValueError(f"{parametrisation!r} has no rule for a tied embedding: untie it")
        self.multiplier = self.ratio ** self.rules[head].multiplier
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if weight.ndim == 2:  # Decoder's own scale falls as 1/√width already
                    weight.mul_(self.ratio ** (self.rule(name, weight).std + 0.5))

    def rule(self, name: str, weight: Tensor) -> Rule:
        """The rule of one weight."""
        return self.rules[role(name, weight, self.config.tied)]

    def unembed(self, h: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead vocab"]:
        return super().unembed(h) * self.multiplier

    def groups(self, lr: float) -> list[dict]:
        """Parameter groups for Adam: `lr` is the rate at the base width."""
        return [
            {"params": [weight], "lr": lr * self.ratio ** self.rule(name, weight).rate}
            for name, weight in self.named_parameters()
        ]


def states(
    model: Decoder, tokens: Int[Tensor, "batch seq"]
) -> dict[str, Float[Tensor, "batch seq width"]]:
    """The residual stream after the embedding and each block, and the logits."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        return lambda module, inputs, output: found.__setitem__(name, output.detach().clone())

    parts: dict[str, nn.Module] = {"embedding": model.embed}
    parts |= {f"block {i}": block for i, block in enumerate(model.blocks, start=1)}
    hooks = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    with torch.no_grad():
        found["logits"] = model(tokens)
    for hook in hooks:
        hook.remove()
    return found


def changes(
    model: Decoder,
    step: Callable[[int], None],
    tokens: Int[Tensor, "batch seq"],
    steps: int,
) -> list[dict[str, float]]:
    """Coordinate check of one model: how far each state is from where it began, after each step.

    ``step(i)`` trains the model by one step. The distance is the root mean square over all numbers:
    under muP it depends on the width hardly at all; under the standard parametrisation it grows.
    Source: Yang et al. 2022, section 5.1 (figure 5) and appendix D.1 on checking by coordinates.
    """
    before, found = states(model, tokens), []
    for i in range(steps):
        step(i)
        now = states(model, tokens)
        found.append({name: rms(now[name] - before[name]) for name in before})
    return found


def rms(x: Float[Tensor, "..."]) -> float:
    """Root of the mean square of all numbers."""
    return at_least_float32(x).square().mean().sqrt().item()
