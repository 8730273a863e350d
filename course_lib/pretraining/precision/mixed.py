"""Train one small model in each number format, with nothing else changed."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.pretraining.loss import Batch, cross_entropy, document_ids
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.pretraining.precision.formats import (
    LossScaler,
    fp8_linear,
    kahan_add,
    stochastic_round,
)

WAYS = {
    "fp32": "everything in float32",
    "bf16": "products in bfloat16, weights in float32",
    "bf16 weights": "weights in bfloat16, updates rounded to the nearest",
    "bf16 stochastic": "weights in bfloat16, updates rounded at random",
    "bf16 Kahan": "weights in bfloat16, what rounding took kept beside them",
    "fp16": "products in float16, no scaling",
    "fp16 scaled": "products in float16, loss scaled",
    "fp8": "products of 8-bit values, simulated; weights in float32",
}
BYTES = {  # a weight, its gradient, AdamW's two float32 moments, and what the way keeps besides
    "fp32": 16,
    "bf16": 16,
    "bf16 weights": 12,
    "bf16 stochastic": 12,
    "bf16 Kahan": 14,
    "fp16": 16,
    "fp16 scaled": 16,
    "fp8": 16,
}


@dataclass(kw_only=True)
class FormatRun:
    """What a run left behind: losses, share of weights that a step meant to move and didn't."""

    way: str
    losses: list[float] = field(default_factory=list)
    stuck: list[float] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)


class Fp8Linear(nn.Linear):
    """A Linear whose three products take 8-bit values (`precision.fp8_linear`)."""

    def forward(self, x: Float[Tensor, "*lead d_in"]) -> Float[Tensor, "*lead d_out"]:
        return fp8_linear(x, self.weight)


def use_fp8(model: nn.Module) -> None:
    """Make every Linear of the model an `Fp8Linear`; embedding and tied head stay as they are."""
    for part in model.modules():
        if type(part) is nn.Linear:
            if part.bias is not None:
                raise ValueError("use_fp8: a Linear has a bias, expected none")
            part.__class__ = Fp8Linear


class Bf16Weights:
    """Weights in bfloat16, moved by an optimizer that reckons in float32.

    Each step the weights are widened, the optimizer moves the wide copies, and `write` brings them
    back: by the nearest value, at random, or with Kahan's compensation.
    """

    def __init__(self, model: nn.Module, write: str, seed: int = 0) -> None:
        self.weights = list(model.to(torch.bfloat16).parameters())
        self.wide = [nn.Parameter(w.detach().float()) for w in self.weights]
        self.lost = [torch.zeros_like(w) for w in self.weights]
        self.write = write
        self.generator = torch.Generator(self.weights[0].device).manual_seed(seed)

    @torch.no_grad()
    def step(self, optimizer: torch.optim.Optimizer) -> float:
        """One step; returns the share of the weights that should have moved and did not."""
        for wide, weight in zip(self.wide, self.weights, strict=True):
            wide.copy_(weight)
            wide.grad = weight.grad.float()
        optimizer.step()
        stuck = moved = 0
        for wide, weight, lost in zip(self.wide, self.weights, self.lost, strict=True):
            before = weight.float()
            if self.write == "bf16 Kahan":
                kahan_add(weight, lost, (wide - before).to(torch.bfloat16))
            elif self.write == "bf16 stochastic":
                weight.copy_(stochastic_round(wide, self.generator))
            else:
                weight.copy_(wide)
            wanted = wide != before
            stuck += int((wanted & (weight.float() == before)).sum())
            moved += int(wanted.sum())
        return stuck / max(moved, 1)


def train_in(
    way: str,
    model: nn.Module,
    batch_at: Callable[[int], Batch],
    *,
    steps: int,
    lr: float,
    eos_id: int | None = None,
    scale: float = 2.0**16,
) -> FormatRun:
    """Train `model` in place for `steps` at a constant rate, the way that `WAYS` describes.

    Raises ValueError for another way.
    """
    if way not in WAYS:
        raise ValueError(f"way={way!r}: expected one of {', '.join(WAYS)}")
    run, scaler = FormatRun(way=way), LossScaler(scale, interval=20)
    if way == "fp8":
        use_fp8(model)
    bf16 = Bf16Weights(model, way) if way.startswith("bf16 ") else None
    where = next(model.parameters()).device
    optimizer = AdamW(bf16.wide if bf16 else model.parameters(), lr=lr, weight_decay=0.0)
    for step in range(steps):
        inputs, targets = (tensor.to(where) for tensor in batch_at(step))
        model.zero_grad()
        with _arithmetic(way, where):
            loss = cross_entropy(model(inputs, documents=document_ids(inputs, eos_id)), targets)
        run.losses.append(loss.item())
        if way == "fp16 scaled":
            scaler.scaled(loss).backward()
            scaler.step(optimizer)
            run.scales.append(scaler.scale)
            continue
        loss.backward()
        if bf16:
            run.stuck.append(bf16.step(optimizer))
        else:
            optimizer.step()
    return run


def _arithmetic(way: str, where: torch.device) -> AbstractContextManager:
    """Autocast where the way asks for 16-bit products of wider weights."""
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp16 scaled": torch.float16}
    return torch.autocast(where.type, dtypes[way]) if way in dtypes else nullcontext()
