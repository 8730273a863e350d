"""The cache changes the cost of decoding and nothing else."""

import pytest
import torch

from course_lib.architecture.accounting.formulas import kv_cache_bytes
from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.deployment.kv_cache import StaticCache, decode_cached, decode_naive

PROMPT = [0, 40, 41, 42]


def test_same_tokens_as_without(model):
    naive = list(decode_naive(model, PROMPT, 60))
    assert list(decode_cached(model, PROMPT, 60)) == naive
    assert len(set(naive)) > 5


def test_same_logits_as_the_growing_cache(model):
    tokens = torch.randint(4, 200, (3, 20))
    static, growing = StaticCache.of(model.config, batch=3), GrowingCache()
    with torch.inference_mode():
        for part in tokens.split([7, 1, 12], dim=1):
            assert torch.equal(model(part, cache=static), model(part, cache=growing))
    assert static.length == growing.length == 20


def test_bytes_are_the_formula(model):
    cache = StaticCache.of(model.config, batch=3, capacity=50)
    assert cache.bytes == 2 * 2 * 3 * 1 * 50 * 16 * 4
    assert cache.bytes == kv_cache_bytes(model.config, 50, batch=3, bytes_per_value=4)


def test_full_cache_refuses_the_next_token(model):
    cache = StaticCache.of(model.config, capacity=6)
    with torch.inference_mode():
        model(torch.tensor([[1, 2, 3, 4, 5, 6]]), cache=cache)
        with pytest.raises(ValueError, match="holds 6 tokens; token 7"):
            model(torch.tensor([[7]]), cache=cache)


def test_rewound_cache_gives_what_a_fresh_one_gives(model):
    cache = StaticCache.of(model.config)
    first = list(decode_cached(model, PROMPT, 20, cache))
    cache.rewind()
    assert list(decode_cached(model, PROMPT, 20, cache)) == first
    with pytest.raises(ValueError, match="length is 999"):
        cache.rewind(999)


@pytest.mark.parametrize("capacity", [0, 129])
def test_capacity_must_fit_the_model(model, capacity):
    with pytest.raises(ValueError, match=f"capacity is {capacity}, expected 1 to max_seq 128"):
        StaticCache.of(model.config, capacity=capacity)
