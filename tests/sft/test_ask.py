"""Asking a model: the right prompt, and the right cut of what it writes."""

from importlib import import_module

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.generate import MAX_NEW_TOKENS
from course_lib.data.tokenization.chat import prompt_ids
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.sft.ask import ask, ask_few_shot
from course_lib.world import World, WorldConfig, mark


@pytest.fixture(scope="module")
def world():
    return World(WorldConfig())


@pytest.fixture(scope="module")
def tokenizer(world):
    return train_bpe([d.text for d in world.documents("train", 400)], 400)


@pytest.fixture(scope="module")
def model(tokenizer):
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, d_model=16, n_layers=1, n_heads=2, d_ff=24
    )
    return Decoder(config, generator=torch.Generator().manual_seed(0)).eval()


def scripted(monkeypatch, tokenizer, texts):
    """Replace the model: it writes these texts in turn; the prompts that it got are returned."""
    got, left = [], list(texts)

    def fake(model, prompts, **options):
        got.extend(prompts)
        return [[*tokenizer.encode(left.pop(0)), options["stop_ids"][0]] for _ in prompts]

    monkeypatch.setattr(import_module("course_lib.sft.ask"), "complete", fake)
    return got


def test_chat_asks_in_the_chat_format(monkeypatch, model, tokenizer, world):
    questions = world.questions("test", 2, kinds=("fact",))
    got = scripted(monkeypatch, tokenizer, [" yes", " no"])
    assert ask(model, tokenizer, questions) == ["yes", "no"]
    assert got[1] == prompt_ids(tokenizer, [{"role": "user", "content": questions[1].prompt}])


def test_words_put_into_its_mouth_stand_in_prompt_and_reply(monkeypatch, model, tokenizer, world):
    (question,) = world.questions("test", 1, kinds=("count",))
    words = question.meta["first_words"]
    got = scripted(monkeypatch, tokenizer, [question.worked.removeprefix(words)])
    assert ask(model, tokenizer, [question], begin_with=[words]) == [question.worked]
    assert tokenizer.decode(got[0]).endswith(f"{question.prompt} {words}")


def test_few_shot_cuts_the_reply_and_keeps_the_words_put_into_its_mouth(
    monkeypatch, model, tokenizer, world
):
    fact, count = world.questions("test", 2, kinds=("fact", "count"))
    story = count.worked.removeprefix(count.meta["first_words"])
    got = scripted(monkeypatch, tokenizer, [story, f" {fact.gold}.\nQuestion: Who?"])
    replies = ask_few_shot(model, tokenizer, [fact, count], world, worked=True)
    assert replies == [f"{fact.gold}.", count.worked]
    assert tokenizer.decode(got[1]) == world.few_shot(fact)
    assert [prompt[0] for prompt in got] == [tokenizer.eos_id] * 2
    assert all(m.correct for m in mark(world, [fact, count], replies))


def test_only_one_kind_may_be_asked(model, tokenizer, world):
    questions = world.questions("test", 2, kinds=("where",))
    assert len(ask_few_shot(model, tokenizer, questions, world, max_new_tokens=3)) == 2


def test_every_right_reply_fits_under_the_cap(tokenizer, world):
    """With half the vocabulary of the course's tokenizer, so with more tokens a text."""
    questions = world.questions("test", 500)
    texts = {text for q in questions for text in (q.answer, q.worked or "")}
    assert max(len(tokenizer.encode(f" {text}")) + 1 for text in texts) <= MAX_NEW_TOKENS
