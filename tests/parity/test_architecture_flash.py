"""Tiled attention equals torch's kernel, outputs and gradients, in both precisions."""

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.flash.tiled import flash_attention


def largest_difference(ours, theirs, inputs) -> float:
    grad = torch.randn_like(inputs[0])
    both = []
    for attend in (ours, theirs):
        out = attend(*inputs)
        assert out.abs().max() > 0.1
        both.append([out, *torch.autograd.grad(out, inputs, grad)])
    return max((a - b).abs().max().item() for a, b in zip(*both, strict=True))


def inputs(n_kv_heads, dtype):
    torch.manual_seed(0)
    shapes = [(2, 6, 150, 32)] + 2 * [(2, n_kv_heads, 150, 32)]
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("n_kv_heads", [1, 2, 6])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_flash_equals_the_kernel(parity, n_kv_heads, causal, dtype, tolerance):
    error = largest_difference(
        lambda q, k, v: flash_attention(q, k, v, causal=causal, block_q=32, block_k=48),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True),
        inputs(n_kv_heads, dtype),
    )
    parity(
        stem="architecture",
        ours="architecture.flash.flash_attention",
        tolerance=tolerance,
        reference="torch.nn.functional.scaled_dot_product_attention",
        error=error,
        note=f"output and gradients, {str(dtype).removeprefix('torch.')}, 6 query and {n_kv_heads} "
        f"key heads, {'causal' if causal else 'full'}",
    )


def test_flash_equals_plain_at_the_sizes_of_a_long_text(parity):
    torch.manual_seed(0)
    given = [torch.randn(1, 1, 1100, 64, dtype=torch.float64, requires_grad=True) for _ in "qkv"]
    error = largest_difference(
        lambda q, k, v: flash_attention(q, k, v, causal=True, block_q=100, block_k=128),
        lambda q, k, v: plain_attention(q, k, v, causal_mask(1100)),
        given,
    )
    parity(
        stem="architecture",
        ours="architecture.flash.flash_attention",
        tolerance=1e-10,
        reference="architecture.attention.plain_attention",
        error=error,
        note="output and gradients, float64, 1,100 tokens in tiles of 100 × 128, causal",
    )


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flash_equals_flex_attention(parity):
    q, k, v = (x.detach() for x in inputs(2, torch.float32))  # it has no backward pass on a CPU
    theirs = flex_attention(
        q,
        k,
        v,
        score_mod=lambda s, b, h, i, j: torch.where(j <= i, s, -float("inf")),
        enable_gqa=True,
    )
    ours = flash_attention(q, k, v, causal=True, block_q=32, block_k=48)
    parity(
        stem="architecture",
        ours="architecture.flash.flash_attention",
        tolerance=5e-6,
        reference="torch.nn.attention.flex_attention",
        error=(ours - theirs).abs().max(),
        note="output, fp32, causal, 6 query and 2 key heads",
    )
