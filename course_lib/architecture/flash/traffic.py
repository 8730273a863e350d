"""How many numbers attention moves to and from slow memory: counted, and as formulas.

Source: Dao et al. 2022, section 3.2 and theorem 2. Standard attention moves Theta(N d + N^2)
numbers, FlashAttention Theta(N^2 d^2 / M), with M the numbers that fast memory holds.
All counts are for one head, full (not causal) attention, forward, queries and keys N = n, d <= M.
"""

import math

from jaxtyping import Float
from torch import Tensor

from course_lib.architecture.flash.tiled import Traffic


def standard_forward(
    q: Float[Tensor, "batch n_heads q d_head"],
    k: Float[Tensor, "batch n_heads k d_head"],
    v: Float[Tensor, "batch n_heads k d_head"],
    traffic: Traffic,
) -> Float[Tensor, "batch n_heads q d_head"]:
    """Attention as three kernels that hand the matrix over in slow memory (their algorithm 0)."""
    everything = slice(None)
    scores = q.new_empty(*q.shape[:-1], k.shape[2])
    out, weights = q.new_empty(q.shape), scores.new_empty(scores.shape)
    keys = traffic.load(k, everything)
    product = traffic.load(q, everything) @ keys.transpose(-1, -2) * q.shape[-1] ** -0.5
    traffic.store(scores, everything, product)
    traffic.store(weights, everything, traffic.load(scores, everything).softmax(-1))
    mixed = traffic.load(weights, everything) @ traffic.load(v, everything)
    traffic.store(out, everything, mixed)
    return out


def standard_traffic(n: int, d_head: int) -> int:
    """4 N d + 4 N^2: q, k, v and o once each; scores and weights written and read."""
    return 4 * n * d_head + 4 * n * n


def flash_traffic(n: int, d_head: int, block_q: int) -> int:
    """2 N d + N + 2 N d ceil(N / B_q): q, o and L once; all of k and v for each block of queries.

    The size of the key blocks doesn't matter: it says in how many pieces k and v come.
    """
    return 2 * n * d_head + n + 2 * n * d_head * math.ceil(n / block_q)


def block_for(fast: int, d_head: int) -> int:
    """The largest B with room for q, o, k and v blocks and one tile: 4 B d + B^2 <= M = `fast`.

    The row statistics (2 B numbers) are left out. Raises ValueError where no block fits.
    """
    block = math.isqrt(4 * d_head * d_head + fast) - 2 * d_head
    if block < 1:
        raise ValueError(f"fast is {fast} numbers, expected at least {4 * d_head + 1} for one row")
    return block


def flash_traffic_limit(n: int, d_head: int, fast: int) -> float:
    """8 N^2 d^2 / M: what `flash_traffic` tends to for N >> B and d >> B / 4, as B -> M / (4 d)."""
    return 8 * n * n * d_head * d_head / fast
