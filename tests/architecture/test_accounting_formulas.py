"""Counts by hand, and against the model itself."""

import pytest

from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    kv_cache_bytes,
    training_flops,
)
from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.decoder import Decoder, ModelConfig
from tests.architecture.test_decoder import TINY, tokens


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


def test_cache_bytes_equal_those_the_cache_holds():
    model, cache, x = Decoder(TINY), GrowingCache(capacity=1), tokens(batch=2, seq=10)
    model(x, cache=cache)
    held = [store[layer] for store in (cache._keys, cache._values) for layer in range(2)]
    assert sum(b.numel() * b.element_size() for b in held) == kv_cache_bytes(TINY, 10, 2, 4)


def test_a_window_caps_the_cache():
    config = ModelConfig(**{**TINY.to_dict(), "sliding_window": 4})
    assert kv_cache_bytes(config, 3) == kv_cache_bytes(TINY, 3)
    assert kv_cache_bytes(config, 10) == kv_cache_bytes(TINY, 4)
