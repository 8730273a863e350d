"""What makes a family, and what the bridge refuses to carry."""

import pytest
from transformers import DeepseekV3Config, GPT2Config, GPTNeoXConfig, LlamaConfig, Qwen3Config

from course_lib.architecture.decoder import ModelConfig
from course_lib.architecture.families.interop_configs import our_config, their_config
from course_lib.architecture.families.presets import PRESETS, family_of, gpt2


@pytest.mark.parametrize("family", PRESETS)
def test_a_preset_is_of_its_family_at_any_size(family):
    small, other = (
        PRESETS[family](vocab_size=50),
        PRESETS[family](vocab_size=50, d_model=96, n_layers=2, n_heads=6, n_kv_heads=6),
    )
    assert family_of(small) == family_of(other) == family
    assert (other.d_model, other.n_layers, other.n_heads) == (96, 2, 6)


def test_the_course_model_is_a_llama():
    assert PRESETS["llama"](vocab_size=50) == ModelConfig(vocab_size=50)


def test_presets_differ():
    assert len({PRESETS[family](vocab_size=50) for family in PRESETS}) == len(PRESETS)


def test_a_mongrel_has_no_family():
    with pytest.raises(ValueError, match="norm is 'rms', expected 'layer', .*gpt2, has"):
        family_of(gpt2(vocab_size=50, norm="rms"))
    with pytest.raises(ValueError, match="position is 'alibi', expected 'rope', .*llama, has"):
        family_of(ModelConfig(vocab_size=50, position="alibi"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PRESETS["gpt2"](vocab_size=9, n_kv_heads=1), "n_kv_heads is 1 and head_size None"),
        (PRESETS["qwen3"](vocab_size=9, sliding_window=4), "sliding_window is 4, expected None"),
        (PRESETS["deepseek"](vocab_size=9, norm_eps=1e-5), "norm_eps is 1e-05"),
    ],
)
def test_no_config_of_theirs_for_what_they_do_not_have(config, message):
    with pytest.raises(ValueError, match=message):
        their_config(config)


LONGER = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (GPTNeoXConfig(), "model_type is 'gpt_neox', expected one of gpt2, llama"),
        (GPT2Config(activation_function="relu"), "activation_function is 'relu', expected 'gelu"),
        (LlamaConfig(attention_bias=True), "attention_bias is True, expected False"),
        (LlamaConfig(rope_parameters=LONGER), "rope_type is 'linear', expected 'default'"),
        (Qwen3Config(use_sliding_window=True), "use_sliding_window is True, expected False"),
        (DeepseekV3Config(rope_interleave=False), "rope_interleave is False, expected True"),
        (DeepseekV3Config(), "first_k_dense_replace is 3, expected at least 61"),
    ],
)
def test_no_config_of_ours_for_what_we_do_not_have(theirs, message):
    with pytest.raises(ValueError, match=message):
        our_config(theirs)
