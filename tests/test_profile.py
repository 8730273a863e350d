"""The profiles' sizes, and that the lineage reads them from nowhere else."""

import pytest

from course_lib import lineage, profile
from course_lib.profile import PROFILES

SIZES = {  # vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, max_seq
    "cpu": (768, 96, 4, 3, 1, 304, 384),
    "colab": (2_048, 384, 6, 6, 2, 1_024, 512),
    "gpu": (4_096, 768, 12, 12, 4, 2_048, 1_024),
}
RUNS = {  # seq_len, steps, batch size, learning rate
    "cpu": (192, 4_000, 6, 2.5e-3),
    "colab": (256, 4_000, 64, 1e-3),
    "gpu": (512, 6_000, 128, 6e-4),
}


@pytest.mark.parametrize("name", PROFILES)
def test_the_sizes_of_a_profile_are_those_of_the_lineage(name):
    """The numbers that the book's figures were made with; change them knowingly."""
    recipes = lineage.recipes(PROFILES[name])
    base, m = recipes["base"].config, recipes["base"].config.model
    sizes = m.vocab_size, m.d_model, m.n_layers, m.n_heads, m.n_kv_heads, m.d_ff, m.max_seq
    assert sizes == SIZES[name]
    assert (base.seq_len, base.steps, base.batch_size, base.lr) == RUNS[name]
    assert recipes["tokenizer"].config.vocab_size == m.vocab_size
    assert recipes["corpus"].config.held_out_documents == 2_000


def test_a_profile_by_name_and_by_the_environment(monkeypatch):
    assert profile.named("gpu").model.d_model == 768
    monkeypatch.delenv("COURSE_PROFILE")
    assert profile.current() is profile.CPU
    with pytest.raises(ValueError, match="profile 'gpuu': expected one of cpu, colab, gpu, auto"):
        profile.named("gpuu")
