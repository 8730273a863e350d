"""The base recipe gives the same bytes twice, and after a kill."""

import pytest

from course_lib.artifacts import Recipe, ensure, folder, sha256
from course_lib.data.recipe import CorpusConfig, TokenizerConfig, build_corpus, build_tokenizer
from course_lib.pretraining.base.recipe import BaseConfig, build_base
from course_lib.pretraining.checkpoints.checkpoint import latest_valid


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    config = CorpusConfig(people=16, documents=300, held_out_documents=40)
    corpus = Recipe(name="corpus", build=build_corpus, config=config)
    tokenizer = Recipe(
        name="tokenizer",
        build=build_tokenizer,
        config=TokenizerConfig(vocab_size=400),
        parents=(corpus,),
    )
    tiny = BaseConfig(
        d_model=16,
        n_layers=1,
        n_heads=2,
        n_kv_heads=1,
        d_ff=24,
        seq_len=256,
        steps=205,
        batch_size=1,
        lr=3e-3,
    )
    return Recipe(name="base", build=build_base, config=tiny, parents=(corpus, tokenizer))


def _bytes(recipe: Recipe) -> dict[str, str]:
    made = ensure(recipe)
    assert made.figures["nats_per_token"] > made.figures["floor_nats_per_token"] > 0
    return {path.name: sha256(path) for path in made.path.iterdir() if path.stem != "manifest"}


def test_same_bytes_twice_and_after_a_kill(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_THREADS", "1")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "whole"))
    whole = _bytes(recipe)
    assert set(whole) == {"model.safetensors", "config.json", "curve.json"}

    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "cut"))

    def killed(fraction: float, text: str) -> None:
        if "step 204" in text or "step 205" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(recipe, killed)
    work = folder(recipe).parents[1] / "work" / folder(recipe).name
    assert latest_valid(work / "checkpoints").name == "step-00000200"
    assert _bytes(recipe) == whole
