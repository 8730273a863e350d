"""Ways to tell a decoder where a token stands, and ways to stretch them past the trained length.

Two places to put a position: into the vectors (a table added to the embeddings, `sinusoidal_table`;
a learned table is an `nn.Embedding`) or into the scores (`alibi_bias`, and RoPE, whose half-split
form is `ops.rope`). Each function makes a table or turns a vector; the weights stay in the model.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.architecture.ops import angle_tables, rope_rates


def sinusoidal_table(
    max_seq: int, d_model: int, theta: float = 10_000.0
) -> Float[Tensor, "max_seq d_model"]:
    """P[m, 2i] = sin(m * theta^(-2i / d_model)) and P[m, 2i + 1] = cos of the same angle.

    Source: Vaswani et al. 2017, section 3.5, where theta is 10000. It is added to the embeddings.
    """
    cos, sin = angle_tables(max_seq, rope_rates(d_model, theta))
    return torch.stack((sin, cos), dim=-1).flatten(1)


def alibi_slopes(n_heads: int) -> Float[Tensor, " n_heads"]:
    """2^(-8h / n_heads) for head h = 1 ... n_heads, where n_heads is a power of two.

    Otherwise the slopes of the power of two below, and then every other slope of the power above,
    as the authors' code has it. Source: Press et al. 2022, section 3.
    """
    if n_heads < 1:
        raise ValueError(f"alibi_slopes: n_heads is {n_heads}, expected at least 1")
    below = 2 ** int(math.log2(n_heads))
    slopes = [2 ** (-8 * h / below) for h in range(1, below + 1)]
    between = [2 ** (-8 * h / (2 * below)) for h in range(1, 2 * below, 2)]
    return torch.tensor([*slopes, *between[: n_heads - below]])


def alibi_bias(
    n_heads: int, n_queries: int, n_keys: int | None = None
) -> Float[Tensor, "n_heads q k"]:
    """-slope_h * (i - j), to be added to the scores after the division by sqrt(d_head).

    The queries are the last `n_queries` of the `n_keys` positions, as with a cache. Keys after the
    query get a positive number: the causal mask hides them. Source: Press et al. 2022, section 3.
    """
    n_keys = n_queries if n_keys is None else n_keys
    if n_keys < n_queries:
        raise ValueError(f"alibi_bias: n_keys is {n_keys}, expected n_queries {n_queries} or more")
    i = torch.arange(n_keys - n_queries, n_keys).unsqueeze(1)
    distance = i - torch.arange(n_keys)
    return -alibi_slopes(n_heads)[:, None, None] * distance


def rope_interleaved(
    x: Float[Tensor, "*lead seq d_head"],
    cos: Float[Tensor, "*#lead seq half"],
    sin: Float[Tensor, "*#lead seq half"],
) -> Float[Tensor, "*lead seq d_head"]:
    """Turn the neighbours (x_2i, x_{2i+1}) of position m by the angle m * rate_i.

    Source: Su et al. 2021, equation 34, paired as in the paper (and in GPT-J and DeepSeek); see
    `ops.rope` for the other convention and `half_split_permutation` for the bridge.
    """
    if 2 * cos.shape[-1] != x.shape[-1]:
        raise ValueError(
            f"rope_interleaved: cos has shape {tuple(cos.shape)}, expected a last axis of "
            f"{x.shape[-1] // 2}, half of the last axis of x {tuple(x.shape)}"
        )
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)


def half_split_permutation(d_head: int) -> Int[Tensor, " d_head"]:
    """The order (0, 2, 4, ..., 1, 3, 5, ...): x[..., order] of an interleaved head is half-split.

    rope(x[..., order]) == rope_interleaved(x)[..., order]. Permute the *rows* of a checkpoint's W_q
    and W_k so, head by head, and its scores stay: a dot product doesn't mind the order of its
    terms. Values and W_o stay as they are. `order.argsort()` leads back.
    """
    _check_even("half_split_permutation", d_head)
    return torch.arange(d_head).reshape(-1, 2).T.flatten()


def interpolated_rates(d_head: int, theta: float, factor: float) -> Float[Tensor, " half"]:
    """rate_i / factor: position m of the long row gets the angle that m / factor had.

    Source: Chen et al. 2023 (position interpolation).
    """
    _check_factor("interpolated_rates", factor)
    return rope_rates(d_head, theta) / factor


def ntk_theta(theta: float, d_head: int, factor: float) -> float:
    """theta * factor^(d_head / (d_head - 2)): the slowest pair is interpolated, the fastest kept.

    Source: bloc97 2023 ("NTK-aware scaled RoPE"), as written in Peng et al. 2023.
    """
    _check_even("ntk_theta", d_head)
    _check_factor("ntk_theta", factor)
    if d_head < 4:
        raise ValueError(f"ntk_theta: d_head is {d_head}, expected at least 4 (two pairs)")
    return theta * factor ** (d_head / (d_head - 2))


def yarn_rates(
    d_head: int,
    theta: float,
    factor: float,
    original_max_seq: int,
    *,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
) -> Float[Tensor, " half"]:
    """Pairs that turn often keep their rate, pairs that turn seldom are interpolated.

    rate_i * ((1 - ramp_i) + ramp_i / factor). Pair i makes r_i = original_max_seq * rate_i / 2 pi
    turns in the trained length; ramp is 0 from `beta_fast` turns on, 1 below `beta_slow`, and
    linear in i between. Source: Peng et al. 2023 ("NTK-by-parts"). Deviation, the one that every
    implementation makes: the ramp is linear in the pair's index, not in r_i as in the paper, and
    its ends are rounded outwards to whole pairs.
    """
    _check_factor("yarn_rates", factor)
    rates = rope_rates(d_head, theta)

    def pair_with(turns: float) -> float:
        return d_head * math.log(original_max_seq / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair_with(beta_fast)), 0)
    high = min(math.ceil(pair_with(beta_slow)), d_head - 1)
    width = high - low or 0.001  # both ends on one pair: a step, without dividing by 0
    ramp = ((torch.arange(d_head // 2, dtype=torch.float32) - low) / width).clamp(0, 1)
    return rates * (1 - ramp) + rates / factor * ramp


def yarn_attention_factor(factor: float) -> float:
    """0.1 ln(factor) + 1, on queries and on keys: the softmax over a longer row stays as sharp.

    Source: Peng et al. 2023, where it is sqrt(1/t), t being the softmax's temperature.
    """
    _check_factor("yarn_attention_factor", factor)
    return 0.1 * math.log(factor) + 1.0


def yarn_tables(
    max_seq: int,
    d_head: int,
    theta: float = 10_000.0,
    *,
    factor: float,
    original_max_seq: int,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    attention_factor: float | None = None,
) -> tuple[Float[Tensor, "max_seq half"], Float[Tensor, "max_seq half"]]:
    """cos and sin of YaRN, times its attention factor (None: `yarn_attention_factor`).

    Put them in the place of a trained model's tables; its weights stay. Equal to `transformers`'
    rope_type "yarn" with `truncate` left at True.
    """
    rates = yarn_rates(
        d_head, theta, factor, original_max_seq, beta_fast=beta_fast, beta_slow=beta_slow
    )
    if attention_factor is None:
        attention_factor = yarn_attention_factor(factor)
    return angle_tables(max_seq, rates, attention_factor)


def _check_even(name: str, d_head: int) -> None:
    if d_head < 2 or d_head % 2:
        raise ValueError(f"{name}: the size is {d_head}, expected an even number of at least 2")


def _check_factor(name: str, factor: float) -> None:
    if not factor >= 1:
        raise ValueError(f"{name}: factor is {factor}, expected at least 1 (longer, not shorter)")
