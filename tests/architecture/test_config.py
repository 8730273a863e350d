"""One dial for a model's sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.architecture.config import ModelConfig


def test_depth_twelve_by_hand():
    """Twelve layers: GPT-2's smallest shape, with a gated block and shared key heads."""
    assert ModelConfig.from_depth(12, 50_257, max_seq=1024) == ModelConfig(
        vocab_size=50_257,
        d_model=768,
        n_layers=12,
        n_heads=12,
        n_kv_heads=4,
        d_ff=2048,
        max_seq=1024,
    )


@given(depth=st.integers(1, 100))
def test_every_depth_makes_a_model(depth):
    model = ModelConfig.from_depth(depth, vocab_size=7)
    assert model.d_head == 64 and model.d_model == 64 * model.n_layers == 64 * depth
    group = model.n_heads // model.n_kv_heads
    assert model.n_kv_heads * group == depth and (group >= 3 or model.n_kv_heads == 1)
    assert model.d_ff % 16 == 0 and 0 <= model.d_ff - model.d_model * 8 / 3 < 16


def test_any_other_field_may_be_said_and_nonsense_is_refused():
    model = ModelConfig.from_depth(6, 7, n_kv_heads=6, qk_norm=True)
    assert model.n_kv_heads == 6 and model.qk_norm and model.d_model == 384
    with pytest.raises(ValueError, match="depth is 0, expected at least 1"):
        ModelConfig.from_depth(0, 7)
