"""What of a run's sizes follows from what, and what was said by somebody."""

import pytest

from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.shards import write_shards
from course_lib.pretraining.real_run.sizes import lr_of, sized, tokens_of
from course_lib.profile import CPU, GPU


@pytest.fixture
def tokens(tmp_path):
    write_shards([[1, 2, 3]], tmp_path, 40, 0)
    return tmp_path


def test_without_a_word_all_is_the_profiles_but_the_vocabulary(tokens):
    found = sized(CPU, tokens)
    assert found.model.vocab_size == 40 and found.model.d_model == CPU.model.d_model
    assert (found.seq_len, found.model.max_seq) == (192, 384)
    assert (found.steps, found.batch_size, found.lr) == (4_000, 6, 2.5e-3)
    assert found.device == "cpu"


def test_depth_sets_model_rate_and_steps(tokens):
    found = sized(CPU, tokens, depth=3, batch_size=4, seq_len=100)
    assert found.model == ModelConfig.from_depth(3, 40, max_seq=200)
    weights = 3 * (2 * 192 * 192 + 2 * 192 * 64 + 3 * 192 * 512) + 40 * 192  # by hand, no norms
    assert found.steps == 20 * weights // 400
    assert found.lr == pytest.approx(6e-4 * 2)  # a quarter of 768: twice the rate


def test_what_was_given_stays_beside_depth_even_a_zero(tokens):
    found = sized(CPU, tokens, depth=3, steps=0, batch_size=0, lr=0.0)
    assert (found.steps, found.batch_size, found.lr) == (0, 0, 0.0)


def test_depth_twelve_is_the_gpu_profile():
    assert ModelConfig.from_depth(12, GPU.vocab_size, max_seq=1_024) == GPU.model
    assert lr_of(GPU.model) == pytest.approx(GPU.pretrain_lr)


def test_tokens_count_the_weights_of_matrices():
    model = ModelConfig.from_depth(2, 50)
    counted = sum(p.numel() for p in Decoder(model).parameters() if p.ndim == 2)
    assert tokens_of(model) == 20 * counted
