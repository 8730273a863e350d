"""Asking a model: the right prompt, the right cut, the verifier's decision, in the right order."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.generate import generate
from course_lib.data.tokenization.chat import prompt_ids
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.evaluation import generation
from course_lib.evaluation.generation import ask_chat, ask_few_shot, by_kind, complete, mark
from course_lib.evaluation.harness import encode_marked
from course_lib.evaluation.tasks import write_chat_task
from course_lib.world import World, WorldConfig


@pytest.fixture(scope="module")
def world():
    return World(WorldConfig())


@pytest.fixture(scope="module")
def tokenizer(world):
    return train_bpe([d.text for d in world.documents("train", 200)], 300)


@pytest.fixture(scope="module")
def model(tokenizer):
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=32,
        n_layers=2,
        n_heads=2,
        n_kv_heads=1,
        d_ff=48,
        max_seq=256,
        tied=False,
    )
    model = Decoder(config, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        model.head.weight.mul_(3)
    return model


def test_replies_come_in_the_order_of_the_prompts(model):
    prompts = [[0, *range(10, 10 + n)] for n in (30, 2, 17, 5, 40)]
    replies = complete(model, prompts, (0,), max_new_tokens=8, rows=2)
    alone = [generate(model, [p], max_new_tokens=8, stop_ids=(0,))[0] for p in prompts]
    assert replies == alone
    assert len({tuple(reply) for reply in replies}) > 1


def test_a_prompt_without_room_is_refused(model):
    with pytest.raises(ValueError, match="256 tokens: no room"):
        complete(model, [[5] * 256], (0,))


def scripted(monkeypatch, tokenizer, texts):
    """Replace the model: it writes these texts, and the prompts that it got are returned."""
    got = []

    def fake(model, prompts, stops, **options):
        got.extend(prompts)
        return [[*tokenizer.encode(text), tokenizer.end_id] for text in texts]

    monkeypatch.setattr(generation, "complete", fake)
    return got


def test_chat_asks_in_the_chat_format(monkeypatch, model, tokenizer, world):
    questions = world.questions("test", 2, kinds=("fact",))
    got = scripted(monkeypatch, tokenizer, [" yes", " no"])
    assert ask_chat(model, tokenizer, questions) == ["yes", "no"]
    assert got[1] == prompt_ids(tokenizer, [{"role": "user", "content": questions[1].prompt}])


def test_few_shot_cuts_the_reply_and_keeps_the_words_put_in_its_mouth(
    monkeypatch, model, tokenizer, world
):
    fact, count = world.questions("test", 2, kinds=("fact", "count"))
    texts = [f" {fact.gold}.\nQuestion: Who?", count.worked.removeprefix(count.meta["first_words"])]
    got = scripted(monkeypatch, tokenizer, texts)
    replies = ask_few_shot(model, tokenizer, [fact, count], world, worked=True)
    assert replies == [f"{fact.gold}.", count.worked]
    assert tokenizer.decode(got[0]) == world.few_shot(fact)
    assert got[0][0] == tokenizer.eos_id
    assert all(m.correct for m in mark(world, [fact, count], replies))


def test_marks_count_by_kind_and_say_why(world):
    questions = world.questions("test", 6, kinds=("fact", "sum"))
    replies = [q.answer for q in questions]
    replies[0] = "I do not know that."
    marked = mark(world, questions, replies)
    assert not marked[0].correct and "refuses" in marked[0].reason
    scores = by_kind(marked)
    assert list(scores) == ["fact", "sum", "all"]
    assert [scores[k].estimate for k in scores] == [2 / 3, 1.0, 5 / 6]


def test_marked_text_becomes_special_tokens_and_plain_text_does_not(tokenizer):
    text = "<|eos|><|user|> Hello!<|end|><|assistant|>"
    assert encode_marked(tokenizer, text) == prompt_ids(
        tokenizer, [{"role": "user", "content": "Hello!"}]
    )
    assert tokenizer.assistant_id not in tokenizer.encode(text)


def test_chat_task_refuses_answers_that_are_no_numbers(world, tmp_path):
    with pytest.raises(ValueError, match="is no number"):
        write_chat_task(world.questions("test", 1, kinds=("fact",)), tmp_path)
