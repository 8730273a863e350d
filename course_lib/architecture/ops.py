"""The mathematics of one decoder layer, as pure functions from tensors to tensors.

Attention has its own module, `attention`; the modules that hold weights are in `layers`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def softmax(scores: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """p_i = exp(s_i - max s) / sum_j exp(s_j - max s), along the last axis.

    Subtracting the maximum leaves p unchanged and keeps exp from overflowing. A score of -inf
    gets probability 0; a row of nothing but -inf gives NaN, as it has no distribution.
    """
    weights = torch.exp(scores - scores.amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True)


def at_least_float32(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """``x`` in float32, or in float64 where it is already.

    For whatever sums or squares: float16 holds nothing above 65,504 and no square of less than
    2.4e-4, bfloat16 has 8 bits of a number; a reduction to float32 would lose half of a float64.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def rms_norm(
    x: Float[Tensor, "*lead d_model"], weight: Float[Tensor, " d_model"], eps: float = 1e-5
) -> Float[Tensor, "*lead d_model"]:
    """y = g * x / sqrt(mean(x^2) + eps), over the last axis.

    Source: Zhang and Sennrich 2019, equation 4 (they leave out eps, which guards against x = 0).
    The division runs in float32 whatever x is, as in Llama: squares lose too much in bfloat16.
    """
    if x.shape[-1:] != weight.shape:
        raise ValueError(
            f"rms_norm: weight has shape {tuple(weight.shape)}, expected ({x.shape[-1]},), "
            f"the last axis of x {tuple(x.shape)}"
        )
    x32 = x.float()
    normed = x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + eps)
    return normed.to(x.dtype) * weight


def layer_norm(
    x: Float[Tensor, "*lead d_model"],
    weight: Float[Tensor, " d_model"],
    bias: Float[Tensor, " d_model"] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "*lead d_model"]:
    """y = g * (x - mean(x)) / sqrt(var(x) + eps) + b, over the last axis.

    The variance divides by d_model, not by d_model - 1. Source: Ba et al. 2016, equation 4. In
    float32 at least, as `rms_norm`.
    """
    if x.shape[-1:] != weight.shape:
        raise ValueError(
            f"layer_norm: weight has shape {tuple(weight.shape)}, expected ({x.shape[-1]},), "
            f"the last axis of x {tuple(x.shape)}"
        )
    wide = at_least_float32(x)
    centred = wide - wide.mean(-1, keepdim=True)
    normed = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + eps)
    y = normed.to(x.dtype) * weight
    return y if bias is None else y + bias


def rope_tables(
    max_seq: int, d_head: int, theta: float = 10_000.0
) -> tuple[Float[Tensor, "max_seq half"], Float[Tensor, "max_seq half"]]:
    """cos and sin of the angles m * theta^(-2i / d_head) for position m and pair i < d_head / 2.

    Source: Su et al. 2021 (RoFormer), section 3.2.2. Angles are float32, as in the libraries that
    trained the weights we load: float64 would be nearer to the equation, and farther from them.
    """
    return angle_tables(max_seq, rope_rates(d_head, theta))


def rope_rates(d_head: int, theta: float = 10_000.0) -> Float[Tensor, " half"]:
    """theta^(-2i / d_head) for pair i, in radians a position. Source: Su et al. 2021, eq. 15."""
    if d_head < 2 or d_head % 2:
        raise ValueError(f"rope_rates: the size is {d_head}, expected an even number of at least 2")
    return 1.0 / theta ** (torch.arange(0, d_head, 2, dtype=torch.float32) / d_head)


def angle_tables(
    max_seq: int, rates: Float[Tensor, " half"], attention_factor: float = 1.0
) -> tuple[Float[Tensor, "max_seq half"], Float[Tensor, "max_seq half"]]:
    """cos and sin of position times rate, times `attention_factor`: what `rope` takes.

    A factor on both tables multiplies queries and keys, hence the scores by its square (YaRN).
    """
    if max_seq < 1:
        raise ValueError(f"max_seq is {max_seq}, expected at least 1")
    angles = torch.outer(torch.arange(max_seq, dtype=torch.float32), rates)
    return angles.cos() * attention_factor, angles.sin() * attention_factor


def rope(
    x: Float[Tensor, "*lead seq d_head"],
    cos: Float[Tensor, "*#lead seq half"],
    sin: Float[Tensor, "*#lead seq half"],
) -> Float[Tensor, "*lead seq d_head"]:
    """Turn pair i of the vector at position m by the angle m * theta^(-2i / d_head).

    (a, b) -> (a cos - b sin, b cos + a sin). Source: Su et al. 2021, equation 34. Deviation: the
    paper pairs neighbours (x_0, x_1), (x_2, x_3), ...; we pair (x_i, x_{i + d_head/2}), like Llama
    in `transformers` ("half-split"). The two differ by a fixed permutation of the axes.
    """
    if 2 * cos.shape[-1] != x.shape[-1]:
        raise ValueError(
            f"rope: cos has shape {tuple(cos.shape)}, expected a last axis of {x.shape[-1] // 2}, "
            f"half of the last axis of x {tuple(x.shape)}"
        )
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def swiglu(
    gate: Float[Tensor, "*lead d_ff"], up: Float[Tensor, "*lead d_ff"]
) -> Float[Tensor, "*lead d_ff"]:
    """SiLU(gate) * up, with SiLU(z) = z * sigmoid(z).

    Source: Shazeer 2020, equation 6, with Swish_1 (= SiLU) and no biases. `gate` and `up` are the
    two projections x W and x V; the third, W_2, comes after.
    """
    if gate.shape != up.shape:
        raise ValueError(
            f"swiglu: up has shape {tuple(up.shape)}, expected that of gate, {tuple(gate.shape)}"
        )
    return F.silu(gate) * up


def gelu_tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): near x times P(N(0, 1) < x).

    Source: Hendrycks and Gimpel 2016, section 2, the approximation that GPT-2 uses ("gelu_new" in
    `transformers`).
    """
    return F.gelu(x, approximate="tanh")


def relu_squared(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """max(x, 0)^2. Source: So et al. 2021 (Primer), section 4.2."""
    return F.relu(x).square()
