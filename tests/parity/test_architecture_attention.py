"""Latent attention equals DeepSeek's, the sink gpt-oss's, empty rows the kernel's."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from transformers import DeepseekV3Config
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention
from transformers.models.gpt_oss import modeling_gpt_oss as gpt_oss

from course_lib.architecture.attention.latent import LatentAttention, rope_rows_to_half_split
from course_lib.architecture.attention.masks import causal_mask, padding_mask, safe_softmax
from course_lib.architecture.attention.sinks import sink_softmax
from course_lib.architecture.ops import rope_tables


def deepseek(q_rank, interleaved) -> DeepseekV3Attention:
    config = DeepseekV3Config(
        hidden_size=48,
        num_attention_heads=4,
        num_key_value_heads=4,
        q_lora_rank=q_rank,
        kv_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=12,
        v_head_dim=10,
        rope_interleave=interleaved,
        num_hidden_layers=1,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
    )
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    layer = DeepseekV3Attention(config, 0)
    with torch.no_grad():
        for weight in layer.parameters():
            scale = weight.shape[-1] ** -0.5
            weight.normal_(0, scale) if weight.ndim == 2 else weight.normal_(1, 0.2)
    return layer.eval()


def copy_of(theirs, q_rank, interleaved) -> LatentAttention:
    ours = LatentAttention(
        48, 4, kv_rank=16, q_rank=q_rank, d_nope=12, d_rope=8, d_value=10, norm_eps=1e-6, layer=0
    )
    names = {
        "q_proj.weight": "q.weight",
        "q_a_proj.weight": "q_down.weight",
        "q_a_layernorm.weight": "q_gain",
        "q_b_proj.weight": "q_up.weight",
        "kv_a_proj_with_mqa.weight": "kv_down.weight",
        "kv_a_layernorm.weight": "kv_gain",
        "kv_b_proj.weight": "kv_up.weight",
        "o_proj.weight": "out.weight",
    }
    heads = {"q.weight": 4, "q_up.weight": 4, "kv_down.weight": 1}
    weights = {names[name]: weight for name, weight in theirs.state_dict().items()}
    if interleaved:
        for name in heads.keys() & weights.keys():
            weights[name] = rope_rows_to_half_split(weights[name], heads[name], 8)
    ours.load_state_dict(weights)
    return ours


@pytest.mark.parametrize("q_rank", [None, 24])
@pytest.mark.parametrize("interleaved", [True, False])
@torch.no_grad()
def test_latent_attention_equals_deepseek(parity, q_rank, interleaved):
    theirs = deepseek(q_rank, interleaved)
    ours = copy_of(theirs, q_rank, interleaved)
    x, (cos, sin), mask = torch.randn(2, 15, 48), rope_tables(15, 8), causal_mask(15)
    twice = tuple(torch.cat((t, t), -1).unsqueeze(0) for t in (cos, sin))
    bias = torch.zeros(15, 15).masked_fill(~mask, float("-inf"))[None, None]
    want = theirs(x, twice, bias)[0]
    assert want.std() > 0.1
    for absorb in (False, True):
        parity(
            stem="architecture",
            ours="architecture.latent.LatentAttention",
            reference="transformers DeepseekV3Attention",
            tolerance=5e-6,
            error=(ours(x, cos, sin, mask, absorb=absorb) - want).abs().max(),
            note=f"fp32, {'absorbed' if absorb else 'expanded'}, q_rank {q_rank}, "
            f"{'interleaved' if interleaved else 'half-split'} checkpoint",
        )


def test_softmax_with_a_sink_equals_gpt_oss(parity):
    q, k, v = (torch.randn(2, 4, 9, 8) for _ in "qkv")
    sink, mask = torch.randn(4), causal_mask(9)
    bias = torch.zeros(9, 9).masked_fill(~mask, float("-inf"))[None, None]
    module = SimpleNamespace(num_key_value_groups=1, sinks=sink, training=False)
    _, want = gpt_oss.eager_attention_forward(module, q, k, v, bias, scaling=8**-0.5)
    scores = (q @ k.transpose(-1, -2) * 8**-0.5).masked_fill(~mask, float("-inf"))
    assert want.sum(-1).max() < 1
    parity(
        stem="architecture",
        ours="architecture.sinks.sink_softmax",
        reference="transformers gpt_oss eager_attention_forward",
        tolerance=1e-6,
        error=(sink_softmax(scores, sink) - want).abs().max(),
        note="attention weights, fp32",
    )


def test_empty_rows_equal_the_kernel(parity):
    """Also the gradients: a row that sees nothing passes nothing on."""
    inputs = [torch.randn(2, 3, 6, 8, requires_grad=True) for _ in "qkv"]
    mask = causal_mask(6) & padding_mask(torch.tensor([4, 6]), 6, left=True)  # two empty rows
    assert not mask.any(-1).all()

    def ours(q, k, v):
        scores = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(~mask.unsqueeze(1), float("-inf"))
        return safe_softmax(scores) @ v

    def theirs(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask.unsqueeze(1))

    both = []
    for attend in (ours, theirs):
        out = attend(*inputs)
        both.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
    parity(
        stem="architecture",
        ours="architecture.masks.safe_softmax",
        reference="torch.nn.functional.scaled_dot_product_attention",
        tolerance=2e-5,
        error=max((a - b).abs().max() for a, b in zip(*both, strict=True)),
        note="output and gradients with rows that see nothing, fp32",
    )
