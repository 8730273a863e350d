"""The base recipe gives the same bytes twice, and after a kill."""

from dataclasses import replace

import pytest
import torch

from course_lib.architecture.config import ModelConfig
from course_lib.artifacts import Recipe, ensure, folder, sha256
from course_lib.data.mixing.corpus import corpus_tokens, tokenized_split
from course_lib.data.mixing.loader import PackedLoader
from course_lib.data.mixing.packing import batch
from course_lib.data.recipe import CorpusConfig, TokenizerConfig, build_corpus, build_tokenizer
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.base.recipe import BaseConfig, build_base
from course_lib.pretraining.checkpoints.folders import latest_valid


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
        model=ModelConfig(
            vocab_size=400, d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=24, max_seq=512
        ),
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


def test_another_vocabulary_than_the_models_is_refused(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    wider = replace(recipe.config, model=replace(recipe.config.model, vocab_size=401))
    with pytest.raises(ValueError, match="vocab_size=401: the tokenizer has 400"):
        ensure(replace(recipe, config=wider))


def test_shards_feed_the_batches_that_packed_rows_in_memory_give(recipe, tmp_path):
    """The road of the lineage's model, corpus, shards, loader, against the plain functions."""
    config, tokenizer = recipe.config, Tokenizer([])
    corpus = recipe.parents[0]
    build_corpus(corpus.config, {}, tmp_path, tmp_path, lambda fraction, text: None)
    rows = tokenized_split(tmp_path, "train", tokenizer, 1024).packed
    sizes = replace(config, seq_len=1024, batch_size=5, seed=3)
    loader = PackedLoader(
        corpus_tokens(tmp_path, "train", tokenizer, tmp_path / "tokens"), sizes.loader()
    )
    for step in range(60):
        for mine, plain in zip(loader.batch_at(step), batch(rows, step, 5, seed=3), strict=True):
            assert torch.equal(mine, plain)
    assert loader.cursor(60)["epoch"] > 1
