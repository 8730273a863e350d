"""AdamW whose two states take one byte a number: block by block, in a code of 256 values."""

from collections.abc import Iterable
from functools import cache

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from course_lib.pretraining.optimizers.adamw import adam_step
from course_lib.pretraining.optimizers.per_weight import PerWeight, checked

BLOCK = 256  # numbers that share a scale: bitsandbytes since 0.40; the paper has 2048
SMALLEST = 4096  # a tensor of fewer numbers stays in 32 bits, as in the paper (section 2.3's norms)


@cache
def dynamic_code(signed: bool) -> Float[Tensor, "256"]:
    r"""256 values in [−1, 1] or [0, 1], dense near 0: the dynamic code.

    Decade k, from 10⁻⁷ to 1, is cut into 2ᵏ equal parts (2ᵏ⁺¹ without a sign), k = 0 … 6, and the
    middle of each is a value; with 0 and 1 that makes 256. So large numbers are kept to 0.7 % of
    the block's largest, small ones to their order of magnitude over seven decades.
    Source: Dettmers et al. 2022, section 2.1 and figure 2 (dynamic tree quantization).
    """
    values = [torch.tensor([0.0, 1.0])]
    for k in range(7):
        edges = torch.linspace(0.1, 1.0, 2 ** (k if signed else k + 1) + 1)
        middles = (edges[:-1] + edges[1:]) / 2 * 10.0 ** (k - 6)
        values += [middles, -middles] if signed else [middles]
    return torch.cat(values).sort().values


def quantize(
    x: Float[Tensor, "..."], signed: bool = True
) -> tuple[UInt8[Tensor, "..."], Float[Tensor, "blocks"]]:
    """Codes of x's shape, and each block's scale, its largest absolute value.

    A number becomes the code's value that is nearest to it after division by its block's scale.
    """
    flat = x.flatten().float()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scales = blocks.abs().amax(1)
    code = dynamic_code(signed).to(x.device)
    unit = blocks / scales.clamp(min=torch.finfo(torch.float32).tiny)[:, None]
    codes = torch.bucketize(unit, (code[1:] + code[:-1]) / 2).to(torch.uint8)
    return codes.flatten()[: len(flat)].view(x.shape), scales


def dequantize(
    codes: UInt8[Tensor, "..."], scales: Float[Tensor, "blocks"], signed: bool = True
) -> Float[Tensor, "..."]:
    """The numbers that the codes stand for."""
    values = dynamic_code(signed).to(codes.device)[codes.flatten().long()]
    return (values * scales.repeat_interleave(BLOCK)[: len(values)]).view(codes.shape)


class AdamW8bit(PerWeight):
    r"""AdamW with m and v in 8 bits between the steps; a step itself is in 32 bits.

    ``m, v ← dequantize``, then the rule of `adamw.AdamW`, then ``quantize`` again: m with a sign,
    v without. Weights of fewer than ``smallest`` numbers keep 32-bit states.
    Source: Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", section 2.
    Deviation: blocks of 256 numbers, as in bitsandbytes.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.1,
        smallest: int = SMALLEST,
        positive: bool = True,
    ):
        settings = checked(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        super().__init__(params, {**settings, "smallest": smallest, "positive": positive})

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        small = weight.numel() < group["smallest"]
        full = state if small else _unpacked(state)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        adam_step(weight, grad, full, group)
        if not small:
            state |= _packed(full, group["positive"])


def _packed(full: dict, positive: bool) -> dict[str, Tensor]:
    means, mean_scales = quantize(full["exp_avg"])
    squares, square_scales = quantize(full["exp_avg_sq"], signed=False)
    if positive:
        squares = squares.maximum((full["exp_avg_sq"] > 0).to(torch.uint8))
    return {
        "step": full["step"],
        "exp_avg_codes": means,
        "exp_avg_scales": mean_scales,
        "exp_avg_sq_codes": squares,
        "exp_avg_sq_scales": square_scales,
    }


def _unpacked(state: dict) -> dict[str, Tensor]:
    if not state:
        return {}
    mean = dequantize(state["exp_avg_codes"], state["exp_avg_scales"])
    square = dequantize(state["exp_avg_sq_codes"], state["exp_avg_sq_scales"], signed=False)
    return {"step": state["step"], "exp_avg": mean, "exp_avg_sq": square}
