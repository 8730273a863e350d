"""Attention of one head, forward and backward: by tiles, written out, and torch's own kernel.

    python benchmarks/flash.py

Memory is counted tensor by tensor (course_lib.architecture.accounting.peak_memory), so it is the
same on every machine; scratch space inside torch's kernel isn't seen. Time is process-CPU time.
"""

import torch
from _bench import gemm_gflops, interleave, show
from torch.nn import functional as F

from course_lib.architecture.accounting.peak_memory import PeakMemory
from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.flash.tiled import flash_attention

D_HEAD, BLOCK = 64, 256

torch.set_num_threads(1)


def by_tiles(q, k, v):
    return flash_attention(q, k, v, causal=True, block_q=BLOCK, block_k=BLOCK)


def written_out(q, k, v):
    return plain_attention(q, k, v, causal_mask(q.shape[2]))


def kernel(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


WAYS = {"course_lib, tiles": by_tiles, "written out": written_out, "torch sdpa": kernel}


def run(attend, tokens: int) -> None:
    """Forward and backward on fresh inputs of one head."""
    q, k, v = (torch.randn(1, 1, tokens, D_HEAD, requires_grad=True) for _ in "qkv")
    attend(q, k, v).sum().backward()


def peak(attend, tokens: int) -> int:
    """Peak bytes of all tensors, inputs included."""
    with PeakMemory() as memory:
        run(attend, tokens)
    return memory.peak


print(f"one head of {D_HEAD} channels, causal, float32, tiles of {BLOCK} x {BLOCK}, one thread")
for tokens in (1024, 4096):
    peaks = {name: peak(attend, tokens) for name, attend in WAYS.items()}
    print(f"{tokens:,} tokens: peak memory of all tensors")
    for name, value in peaks.items():
        print(f"  {name:<28}{value / 2**20:>9.1f} MB  1/{peaks['written out'] / value:.1f}")
    seconds = interleave(
        {name: lambda attend=attend, n=tokens: run(attend, n) for name, attend in WAYS.items()},
        rounds=5,
        warmup=1,
    )
    show(f"{tokens:,} tokens: time", seconds)
products = 7 * 2 * 4096**2 * D_HEAD / 2  # seven products of T x T x d_head, half of the tiles
limit = gemm_gflops()
print(f"the products alone, at this machine's {limit:.0f} GFLOP/s: {products / limit / 1e6:.0f} ms")
