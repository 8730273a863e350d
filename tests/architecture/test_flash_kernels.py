"""The Triton kernels equal the tiles written out; run where there is a GPU, or interpreted.

TRITON_INTERPRET=1 pytest tests/architecture/test_flash_kernels.py
"""

import os

import pytest
import torch

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask

pytest.importorskip(
    "triton", reason="the Triton kernels need the triton package, which torch's CPU builds lack"
)
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not (torch.cuda.is_available() or INTERPRETED):
    pytest.skip(
        "the Triton kernels need a GPU, or TRITON_INTERPRET=1 to be run on the CPU",
        allow_module_level=True,
    )
from course_lib.architecture.flash.kernels import triton_attention  # noqa: E402

DEVICE = "cpu" if INTERPRETED else "cuda"


@pytest.mark.parametrize(
    ("n_heads", "n_kv_heads", "queries", "keys", "d_head"),
    [(1, 1, 64, 64, 16), (4, 2, 100, 100, 32), (2, 1, 5, 70, 16), (3, 3, 130, 130, 64)],
)
@pytest.mark.parametrize("causal", [False, True])
def test_output_and_gradients(n_heads, n_kv_heads, queries, keys, d_head, causal):
    torch.manual_seed(0)
    q = torch.randn(2, n_heads, queries, d_head, device=DEVICE, requires_grad=True)
    k, v = (
        torch.randn(2, n_kv_heads, keys, d_head, device=DEVICE, requires_grad=True) for _ in "kv"
    )
    mask = causal_mask(queries, keys, device=DEVICE) if causal else None
    exact = [x.detach().double().requires_grad_() for x in (q, k, v)]
    want, got = plain_attention(*exact, mask), triton_attention(q, k, v, causal=causal)
    grad = torch.randn_like(got)
    pairs = [(got, want)]
    pairs += zip(
        torch.autograd.grad(got, (q, k, v), grad),
        torch.autograd.grad(want, exact, grad.double()),
        strict=True,
    )
    error = max((mine - theirs).abs().max().item() for mine, theirs in pairs)
    assert error < 2e-5


@pytest.mark.skipif(INTERPRETED, reason="bfloat16 products need a GPU")
def test_bfloat16_is_as_near_as_its_digits():
    q, k, v = torch.randn(3, 2, 4, 300, 64, device=DEVICE, dtype=torch.bfloat16).unbind(0)
    want = plain_attention(q.double(), k.double(), v.double(), causal_mask(300, device=DEVICE))
    got = triton_attention(q, k, v, causal=True)
    assert ((got - want).norm() / want.norm()).item() < 1e-2


def test_messages():
    x = torch.zeros(1, 1, 4, 24)
    with pytest.raises(ValueError, match="d_head is 24, expected 16, 32, 64 or 128"):
        triton_attention(x, x, x)
