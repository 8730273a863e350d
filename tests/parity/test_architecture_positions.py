"""Positions against the tables that `transformers` computes for real model families."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor
from transformers.models.xlm.modeling_xlm import create_sinusoidal_embeddings

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import to_llama
from course_lib.architecture.ops import angle_tables, rope_rates, rope_tables
from course_lib.architecture.positions import (
    alibi_bias,
    interpolated_rates,
    ntk_theta,
    rope_interleaved,
    sinusoidal_table,
    yarn_rates,
    yarn_tables,
)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


def their_rates(rope_type: str, *, d_head=64, theta=10_000.0, max_seq=4096, seq_len=None, **more):
    """(inverse frequencies, attention factor) of a Llama with that kind of RoPE."""
    config = LlamaConfig(
        hidden_size=4 * d_head,
        num_attention_heads=4,
        max_position_embeddings=max_seq,
        rope_parameters={"rope_type": rope_type, "rope_theta": theta, **more},
    )
    return ROPE_INIT_FUNCTIONS[rope_type](config, "cpu", seq_len=seq_len)


def test_sinusoidal(parity):
    theirs = create_sinusoidal_embeddings(128, 48, torch.empty(128, 48))
    parity(
        stem="architecture",
        ours="architecture.positions.sinusoidal_table",
        tolerance=1e-5,
        reference="transformers XLM create_sinusoidal_embeddings",
        error=apart(sinusoidal_table(128, 48), theirs),
        note="fp32 angles to 128 against fp64",
    )


@pytest.mark.parametrize("n_heads", [1, 4, 8, 12, 40])
def test_alibi(parity, n_heads):
    ours = alibi_bias(n_heads, 30)
    mpt = build_mpt_alibi_tensor(n_heads, 30)  # [n_heads, 1, keys], counted from the last query
    bloom = build_alibi_tensor(torch.ones(1, 30), n_heads, torch.float32)  # from the first key
    parity(
        stem="architecture",
        ours="architecture.positions.alibi_bias",
        tolerance=1e-5,
        reference="transformers MPT build_mpt_alibi_tensor",
        error=apart(ours[:, -1:], mpt),
        note=f"last query, {n_heads} heads",
    )
    causal = torch.ones(30, 30).tril() == 0
    weights = [s.masked_fill(causal, float("-inf")).softmax(-1) for s in (ours, bloom)]
    parity(
        stem="architecture",
        ours="architecture.positions.alibi_bias",
        tolerance=1e-5,
        reference="transformers BLOOM build_alibi_tensor",
        error=apart(*weights),
        note=f"after the softmax (BLOOM adds a constant to each row), {n_heads} heads",
    )


def test_rope_interleaved(parity):
    x = torch.randn(2, 9, 3, 16)  # [batch, seq, n_heads, d_head], as GPT-J has it
    cos, sin = rope_tables(9, 16)
    theirs = apply_rotary_pos_emb(x, sin.unsqueeze(0), cos.unsqueeze(0))
    ours = rope_interleaved(x.transpose(1, 2), cos, sin).transpose(1, 2)
    parity(
        stem="architecture",
        ours="architecture.positions.rope_interleaved",
        tolerance=1e-6,
        reference="transformers GPT-J apply_rotary_pos_emb",
        error=apart(ours, theirs),
        note="fp32",
    )


@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_linear_and_ntk_rates(parity, factor):
    theirs, _ = their_rates("linear", factor=factor)
    parity(
        stem="architecture",
        ours="architecture.positions.interpolated_rates",
        tolerance=1e-7,
        reference='transformers ROPE_INIT_FUNCTIONS["linear"]',
        error=apart(interpolated_rates(64, 10_000.0, factor), theirs),
        note=f"factor {factor:g}",
    )
    theirs, _ = their_rates("dynamic", factor=1.0, seq_len=int(4096 * factor))
    parity(
        stem="architecture",
        ours="architecture.positions.ntk_theta",
        tolerance=1e-6,
        reference='transformers ROPE_INIT_FUNCTIONS["dynamic"]',
        error=apart(rope_rates(64, ntk_theta(10_000.0, 64, factor)), theirs),
        note=f"a row {factor:g} times the trained length",
    )


YARN = [
    {"d_head": 128, "theta": 10_000.0, "factor": 16.0, "original": 4096},  # the paper's Llama 2
    {"d_head": 128, "theta": 1_000_000.0, "factor": 4.0, "original": 32_768},  # Qwen2.5
    {"d_head": 64, "theta": 10_000.0, "factor": 40.0, "original": 4096},  # DeepSeek-V3's RoPE
    {"d_head": 32, "theta": 10_000.0, "factor": 4.0, "original": 192},  # the course's model
    {"d_head": 8, "theta": 100.0, "factor": 2.0, "original": 16, "beta_fast": 4.0},
]


@pytest.mark.parametrize("case", YARN, ids=lambda c: f"d{c['d_head']}-x{c['factor']:g}")
def test_yarn(parity, case):
    d_head, theta, factor, original = (case[k] for k in ("d_head", "theta", "factor", "original"))
    betas = {"beta_fast": case.get("beta_fast", 32.0), "beta_slow": 1.0}
    theirs, attention_factor = their_rates(
        "yarn",
        d_head=d_head,
        theta=theta,
        factor=factor,
        max_seq=int(factor * original),
        original_max_position_embeddings=original,
        **betas,
    )
    ours = yarn_rates(d_head, theta, factor, original, **betas)
    parity(
        stem="architecture",
        ours="architecture.positions.yarn_rates",
        tolerance=1e-6,
        reference='transformers ROPE_INIT_FUNCTIONS["yarn"]',
        error=apart(ours, theirs),
        note=f"d_head {d_head}, theta {theta:g}, {original} × {factor:g}",
    )
    tables = yarn_tables(64, d_head, theta, factor=factor, original_max_seq=original, **betas)
    wanted = angle_tables(64, theirs, attention_factor)
    parity(
        stem="architecture",
        ours="architecture.positions.yarn_tables",
        tolerance=1e-5,
        reference='transformers ROPE_INIT_FUNCTIONS["yarn"]',
        error=max(apart(a, b) for a, b in zip(tables, wanted, strict=True)),
        note=f"cos and sin × attention factor {attention_factor:.3f}, {original} × {factor:g}",
    )


@torch.no_grad()
def test_a_stretched_decoder_equals_llama_with_yarn(parity):
    config = ModelConfig(vocab_size=97, d_model=64, n_layers=2, max_seq=128)
    model = Decoder(config, torch.Generator().manual_seed(0)).eval()
    plain = to_llama(model)
    yarn = {
        "rope_type": "yarn",
        "rope_theta": 10_000.0,
        "factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    llama = LlamaForCausalLM(LlamaConfig(**{**plain.config.to_dict(), "rope_parameters": yarn}))
    llama.load_state_dict(plain.state_dict())
    x = torch.randint(0, 97, (2, 128), generator=torch.Generator().manual_seed(1))
    short = model(x)
    model.cos, model.sin = yarn_tables(128, 16, factor=4.0, original_max_seq=32)
    assert apart(short, model(x)) > 0.1
    parity(
        stem="architecture",
        ours="architecture.positions.yarn_tables",
        tolerance=1e-5,
        reference='transformers LlamaForCausalLM, rope_type "yarn"',
        error=apart(model(x), llama.eval()(x).logits),
        note="logits, fp32, rows of 4 × 32 tokens",
    )
