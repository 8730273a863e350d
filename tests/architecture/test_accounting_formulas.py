"""Counts by hand, and what is refused. Against the model itself: test_accounting_random."""

from dataclasses import replace

import pytest

from course_lib.architecture.accounting.activations import (
    activation_bytes,
    gpt_activation_bytes,
)
from course_lib.architecture.accounting.formulas import (
    attention_flops,
    count_parameters,
    forward_flops,
    kv_cache_bytes,
    training_flops,
)
from course_lib.architecture.accounting.published import published
from course_lib.architecture.accounting.sizes import Sizes
from course_lib.architecture.config import Latent
from course_lib.architecture.decoder import Decoder, ModelConfig
from tests.architecture.test_decoder import TINY


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("n_kv_heads", [1, 4])
def test_parameters_equal_those_of_the_model(tied, n_kv_heads):
    config = ModelConfig(**{**TINY.to_dict(), "tied": tied, "n_kv_heads": n_kv_heads})
    counted = count_parameters(config)
    model = Decoder(config)
    assert counted.total == sum(weight.numel() for weight in model.parameters())
    assert counted.embedding == model.embed.weight.numel()
    assert counted.total - counted.non_embedding == (1 if tied else 2) * 31 * 24


def test_flops_by_hand():
    config = ModelConfig(
        vocab_size=10, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=8, max_seq=16
    )
    weights = 4 * 4 + 2 * 4 * 2 + 4 * 4 + 3 * 4 * 8 + 4 * 10  # q, k and v, out, mlp, head
    assert forward_flops(config, seq=3) == 3 * 2 * weights + 2 * (2 * 3 * 3 * 4)
    assert forward_flops(config, seq=3, batch=5) == 5 * forward_flops(config, seq=3)
    assert training_flops(config, tokens=30, seq=3) == 10 * 3 * forward_flops(config, seq=3)


def test_a_window_caps_the_cache():
    config = ModelConfig(**{**TINY.to_dict(), "sliding_window": 4})
    assert kv_cache_bytes(config, 3) == kv_cache_bytes(TINY, 3)
    assert kv_cache_bytes(config, 10) == kv_cache_bytes(TINY, 4)


SIZES = Sizes(
    vocab_size=10, d_model=4, n_layers=3, n_heads=2, n_kv_heads=1, d_head=2, d_ff=8, tied=False
)


def test_windows_and_masks_by_hand():
    """Dense counts every pair of tokens; causal those that a mask leaves, windows and all."""
    s = replace(SIZES, window=4, full_layers=1)
    assert kv_cache_bytes(s, 100, 1, 1) == (2 * 4 + 1 * 100) * 2 * 1 * 2
    products = 3 * (4 * (2 + 2) * 2 + 2 * 2 * 4 + 3 * 4 * 8) + 4 * 10  # qkv, out, mlp; head
    a_pair = 2 * 2 * (2 + 2)  # two FLOPs, two heads, a query-key product and a value of 2
    assert forward_flops(s, 100) == 100 * 2 * products + 3 * 100 * 100 * a_pair
    in_window = 1 + 2 + 3 + 4 * 97
    seen = 2 * in_window + 100 * 101 // 2
    assert forward_flops(s, 100, causal=True) == 100 * 2 * products + seen * a_pair
    assert attention_flops(s, 3, causal=True) == 3 * (1 + 2 + 3) * a_pair  # rows within the window
    assert attention_flops(s, 100, 7) == 7 * attention_flops(s, 100)


def test_experts_by_hand():
    """Weights of all, FLOPs of the chosen and the shared; the first layer has none."""
    s = replace(SIZES, n_experts=5, experts_a_token=2, shared_experts=1, d_expert=6, dense_layers=1)
    attention, expert, router = 4 * (2 + 2) * 2 + 2 * 2 * 4, 3 * 4 * 6, 4 * 5
    counted = count_parameters(s)
    assert counted.mlp == 3 * 4 * 8 + 2 * (router + 6 * expert)
    assert counted.total - counted.active == 2 * 3 * expert
    met = 3 * attention + 3 * 4 * 8 + 2 * (router + 3 * expert) + 4 * 10
    assert forward_flops(s, 1) == 2 * met + 3 * 16


def test_a_lone_token_of_latent_attention_is_counted_absorbed():
    s = replace(SIZES, n_kv_heads=2, kv_rank=5, d_rope=2, d_value=3)
    assert attention_flops(s, 2) == 3 * 2 * 4 * 2 * ((2 + 2) + 3)
    assert attention_flops(s, 1) == 3 * 2 * 2 * ((5 + 2) + 5)


def test_korthikanti_by_hand():
    sizes = {"d_model": 8, "n_heads": 2, "n_layers": 3, "seq": 5, "batch": 7}
    assert gpt_activation_bytes(**sizes) == 3 * (5 * 7 * 8 * 34 + 5 * 2 * 5 * 5 * 7)
    assert gpt_activation_bytes(**sizes, recompute="attention") == 3 * 5 * 7 * 8 * 34
    assert gpt_activation_bytes(**sizes, recompute="everything") == 3 * 5 * 7 * 8 * 2
    with pytest.raises(ValueError, match="recompute is 'all', expected one of nothing, attention"):
        gpt_activation_bytes(**sizes, recompute="all")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_layers": 0}, "n_layers is 0, expected at least 1"),
        ({"n_kv_heads": 3}, "n_kv_heads is 3, expected a divisor of n_heads 2"),
        ({"n_experts": 2, "experts_a_token": 3}, "experts_a_token is 3, expected 1 to n_experts 2"),
        ({"n_experts": 2, "experts_a_token": 1}, "d_expert is 0, expected at least 1 with experts"),
        ({"full_layers": 9}, "full_layers is 9, expected 0 to n_layers 3"),
        ({"dense_layers": 4}, "dense_layers is 4, expected 0 to n_layers 3"),
        ({"kv_rank": 4}, "d_value is 0, expected at least 1 with latent attention"),
        ({"kv_rank": 4, "d_value": 2, "biases": "all"}, "biases 'all' and qk_norm False: expected"),
    ],
)
def test_bad_sizes_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(SIZES, **wrong)


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="'GPT-5': expected one of GPT-3 175B, Llama 3 8B"):
        published("GPT-5")


@pytest.mark.parametrize(
    ("changes", "seq", "message"),
    [
        ({}, 0, "batch=2, seq=0: expected at least 1 of each"),
        ({"qk_norm": True, "norm": "layer"}, 4, "norm is 'layer' with qk_norm: expected 'rms'"),
        (
            {"latent": Latent(kv_rank=4, d_nope=4, d_rope=2, d_value=4), "n_kv_heads": 4},
            1,
            "seq=1 with latent attention: expected at least 2",
        ),
    ],
)
def test_activations_that_are_not_counted_are_refused(changes, seq, message):
    with pytest.raises(ValueError, match=message):
        activation_bytes(ModelConfig(**TINY.to_dict() | {"latent": None} | changes), seq, 2)
