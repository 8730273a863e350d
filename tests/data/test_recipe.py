import pytest

from course_lib.data.recipe import (
    CorpusConfig,
    TokenizerConfig,
    build_corpus,
    build_tokenizer,
    read_documents,
)
from course_lib.data.tokenization.tokenizer import Tokenizer

CONFIG = CorpusConfig(people=64, documents=200, held_out_documents=40)


def quiet(fraction, message):
    assert 0 <= fraction <= 1 and message


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    corpus, tokenizer = (tmp_path_factory.mktemp(name) for name in ("corpus", "tokenizer"))
    figures = build_corpus(CONFIG, {}, corpus, corpus, quiet)
    more = build_tokenizer(
        TokenizerConfig(vocab_size=330), {"corpus": corpus}, tokenizer, tokenizer, quiet
    )
    return corpus, tokenizer, {**figures, **more}


def test_counts_are_exact_and_splits_are_disjoint(built):
    corpus, _, figures = built
    texts = {
        split: [d["text"] for d in read_documents(corpus, split)]
        for split in ("train", "validation", "test")
    }
    assert [len(t) for t in texts.values()] == [200, 40, 40]
    assert figures["train_documents"] == 200
    assert not set(texts["train"]) & set(texts["validation"])
    assert not set(texts["train"]) & set(texts["test"])
    assert figures["train_bytes"] == sum(len(t.encode()) for t in texts["train"])
    with pytest.raises(ValueError, match="split='dev'"):
        next(read_documents(corpus, "dev"))


def test_the_nats_are_the_worlds_own(built):
    from course_lib.world import World, WorldConfig

    world = World(WorldConfig(seed=0, people=64))
    for document in list(read_documents(built[0], "validation"))[:10]:
        assert world.score(document["text"]).nats == pytest.approx(document["nats"], abs=1e-6)


def test_the_same_config_gives_the_same_bytes(built, tmp_path):
    corpus, tokenizer, figures = built
    again = build_corpus(CONFIG, {}, tmp_path, tmp_path, quiet)
    again |= build_tokenizer(
        TokenizerConfig(vocab_size=330), {"corpus": tmp_path}, tmp_path, tmp_path, quiet
    )
    assert again == figures
    for folder, name in (
        (corpus, "train.jsonl"),
        (corpus, "test.jsonl"),
        (corpus, "world.json"),
        (tokenizer, "tokenizer.json"),
    ):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_tokenizer_compresses_held_out_text(built):
    _, folder, figures = built
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    assert tokenizer.vocab_size == figures["vocab_size"] == 330
    assert 1.5 < figures["bytes_per_token"] < 5


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="held_out_documents=0"):
        CorpusConfig(people=16, documents=300, held_out_documents=0)
