"""Number formats: what rounding does to a value, to an update and to a gradient.

`round_to` is any of the formats in plain arithmetic, equal to torch's casts. `LossScaler` is what
float16 needs, `stochastic_round` and `kahan_add` what weights kept in bfloat16 need, `fp8_linear`
how 8 bits are trained with: simulated, as the products themselves run in float32.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Format:
    """A binary floating-point format: sign, exponent, mantissa.

    `largest` is the greatest finite value. `beyond` is what larger ones become: infinity, or, where
    the format has none, the largest itself (torch saturates as of 2.13; before, it gave NaN).
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    largest: float
    beyond: float
    dtype: torch.dtype

    @property
    def bits(self) -> int:
        """Width of a value, sign included."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def lowest_exponent(self) -> int:
        """Exponent of the smallest normal number: 1 - bias, with bias 2^(bits - 1) - 1."""
        return 2 - 2 ** (self.exponent_bits - 1)

    @property
    def smallest_normal(self) -> float:
        """Below it, values lose bits one by one (subnormals)."""
        return 2.0**self.lowest_exponent

    @property
    def smallest(self) -> float:
        """The least value above 0; half of it and less becomes 0."""
        return 2.0 ** (self.lowest_exponent - self.mantissa_bits)

    @property
    def epsilon(self) -> float:
        """Distance from 1 to the next larger number; rounding errs by half of it at most."""
        return 2.0**-self.mantissa_bits


def _ieee_largest(exponent_bits: int, mantissa_bits: int) -> float:
    """All exponents but the last, which IEEE 754 keeps for infinities and NaN."""
    return (2 - 2.0**-mantissa_bits) * 2.0 ** (2 ** (exponent_bits - 1) - 1)


def _ieee(name: str, exponent_bits: int, mantissa_bits: int, dtype: torch.dtype) -> Format:
    return Format(
        name=name,
        exponent_bits=exponent_bits,
        mantissa_bits=mantissa_bits,
        beyond=math.inf,
        largest=_ieee_largest(exponent_bits, mantissa_bits),
        dtype=dtype,
    )


FP32 = _ieee("fp32", 8, 23, torch.float32)
BF16 = _ieee("bf16", 8, 7, torch.bfloat16)
FP16 = _ieee("fp16", 5, 10, torch.float16)
E5M2 = _ieee("fp8 E5M2", 5, 2, torch.float8_e5m2)
# E4M3 spends its last exponent on numbers too and keeps one pattern for NaN: no infinity
# (Micikevicius et al. 2022, section 3.1 and table 1).
E4M3 = Format(
    name="fp8 E4M3",
    exponent_bits=4,
    mantissa_bits=3,
    largest=448.0,
    beyond=448.0,
    dtype=torch.float8_e4m3fn,
)
FORMATS = (FP32, BF16, FP16, E5M2, E4M3)


def round_to(x: Float[Tensor, "*shape"], fmt: Format) -> Float[Tensor, "*shape"]:
    """The nearest value of the format, ties to the even mantissa; float32 in and out.

    Neighbours near x lie q = 2^(max(e, e_min) - mantissa_bits) apart, for 2^e <= |x| < 2^(e + 1):
    so the value is q round(x / q). Past the largest it is `fmt.beyond`. NaN stays.
    """
    wide = x.double()
    exponent = torch.frexp(wide).exponent - 1  # frexp has its mantissa in [1/2, 1)
    exponent = exponent.clamp(min=fmt.lowest_exponent) - fmt.mantissa_bits
    rounded = torch.ldexp(torch.round(torch.ldexp(wide, -exponent)), exponent)
    rounded = torch.where(wide.isfinite(), rounded, wide)
    outside = torch.copysign(torch.full_like(wide, fmt.beyond), wide)
    return torch.where(rounded.abs() > fmt.largest, outside, rounded).float()


def quantized(
    x: Float[Tensor, "*shape"], fmt: Format
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, ""]]:
    """(values of the format, scale): x times the scale, whose largest entry meets the format's.

    Per-tensor scaling: 8 bits have no room for the range of activations and gradients, so each
    tensor brings its own. Divide by the scale to come back. Source: Micikevicius et al. 2022,
    section 3.3. Deviation: the scale comes from this tensor, not from those of earlier steps.
    A tensor of zeros has scale 1.
    """
    highest = x.detach().abs().amax().float()
    scale = torch.where(highest > 0, fmt.largest / highest.clamp(min=1e-30), 1.0)
    return round_to((x.float() * scale).clamp(-fmt.largest, fmt.largest), fmt), scale


class _Fp8Linear(torch.autograd.Function):
    """x W^T with x and W in E4M3; the gradient that comes back in E5M2, which reaches farther."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        (x8, x_scale), (w8, w_scale) = quantized(x, E4M3), quantized(weight, E4M3)
        ctx.save_for_backward(x8, x_scale, w8, w_scale)
        return (x8 @ w8.mT) / (x_scale * w_scale)

    @staticmethod
    def backward(ctx, upstream: Tensor):
        x8, x_scale, w8, w_scale = ctx.saved_tensors
        g8, g_scale = quantized(upstream, E5M2)
        by_x = (g8 @ w8) / (g_scale * w_scale)
        by_weight = (g8.flatten(0, -2).mT @ x8.flatten(0, -2)) / (g_scale * x_scale)
        return by_x, by_weight


def fp8_linear(
    x: Float[Tensor, "*lead d_in"], weight: Float[Tensor, "d_out d_in"]
) -> Float[Tensor, "*lead d_out"]:
    """x W^T as a chip with 8-bit products would train it; the weight itself stays in float32."""
    return _Fp8Linear.apply(x, weight)


def stochastic_round(
    x: Float[Tensor, "*shape"], generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """float32 to bfloat16, up or down at random, so that the mean of many roundings is x.

    bfloat16 is the upper half of a float32. Adding a random number below 2^16 to the bits, and then
    dropping the lower half, carries into the upper one with probability (lower half) / 2^16.
    Infinities and NaN stay. Raises ValueError for other dtypes.
    Source: Gupta et al. 2015, section 3.1; for bfloat16 weights: Zamirai et al. 2020.
    """
    if x.dtype != torch.float32:
        raise ValueError(f"stochastic_round: x is {x.dtype}, expected torch.float32")
    bits = x.contiguous().view(torch.int32)
    noise = torch.randint(
        0, 2**16, x.shape, generator=generator, device=x.device, dtype=torch.int32
    )
    moved = torch.where(x.isfinite(), bits + noise, bits)
    return (moved & -(2**16)).view(torch.float32).to(torch.bfloat16)


def kahan_add(
    weight: Float[Tensor, "*shape"],
    lost: Float[Tensor, "*shape"],
    update: Float[Tensor, "*shape"],
) -> None:
    """weight += update, in place, with what rounding takes away kept in `lost` for the next time.

    y = update + lost; new = weight + y; lost = y - (new - weight). Source: Kahan 1965; for weights
    in bfloat16: Zamirai et al. 2020, section 4. All three are of one dtype.
    """
    wanted = update + lost
    before = weight.clone()
    weight.add_(wanted)
    lost.copy_(wanted - (weight - before))


def lost_updates(
    weight: Float[Tensor, "*shape"], update: Float[Tensor, "*shape"], fmt: Format
) -> Bool[Tensor, "*shape"]:
    """Where an update that isn't 0 leaves a weight of this format as it was."""
    before = round_to(weight, fmt)
    return (update != 0) & (round_to(before + update, fmt) == before)


class LossScaler:
    """Dynamic loss scaling, step for step as torch.amp.GradScaler.

    The loss is multiplied by `scale`, so that small gradients aren't rounded to 0 in float16; the
    gradients are divided by it before the step. A step whose gradients hold an infinity or a NaN is
    left out, and the scale falls by `backoff`. After `interval` good steps in a row it grows by
    `growth`. Source: Micikevicius et al. 2018, section 3.2.
    """

    def __init__(
        self,
        scale: float = 2.0**16,
        growth: float = 2.0,
        backoff: float = 0.5,
        interval: int = 2000,
    ) -> None:
        if not (scale > 0 and growth > 1 and 0 < backoff < 1 and interval >= 1):
            raise ValueError(
                f"scale={scale}, growth={growth}, backoff={backoff}, interval={interval}: expected "
                "scale > 0, growth > 1, 0 < backoff < 1, interval >= 1"
            )
        self.scale, self.growth, self.backoff, self.interval = scale, growth, backoff, interval
        self.good_steps = 0

    def scaled(self, loss: Tensor) -> Tensor:
        """What to call `backward` on."""
        return loss * self.scale

    @torch.no_grad()
    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Divide the gradients, step if all are finite, and set the next scale; True if stepped."""
        grads = [
            p.grad
            for group in optimizer.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        for grad in grads:
            grad.mul_(1.0 / self.scale)
        finite = all(bool(grad.isfinite().all()) for grad in grads)
        if finite:
            optimizer.step()
        self.update(finite)
        return finite

    def update(self, finite: bool) -> None:
        """The scale of the next step: down after an overflow, up after `interval` good ones."""
        if not finite:
            self.scale, self.good_steps = self.scale * self.backoff, 0
            return
        self.good_steps += 1
        if self.good_steps == self.interval:
            grown = self.scale * self.growth
            self.scale = grown if grown <= FP32.largest else self.scale
            self.good_steps = 0
