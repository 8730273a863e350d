"""What we hand to lm-eval: special tokens in a marked text, and tasks of numbers."""

import pytest

from course_lib.architecture.sampling.generate import MAX_NEW_TOKENS
from course_lib.data.tokenization.chat import prompt_ids
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.evaluation.harness import encode_marked
from course_lib.evaluation.tasks import write_chat_task
from course_lib.world import World, WorldConfig


@pytest.fixture(scope="module")
def world():
    return World(WorldConfig())


def test_marked_text_becomes_special_tokens_and_plain_text_does_not(world):
    tokenizer = train_bpe([d.text for d in world.documents("train", 200)], 300)
    text = "<|eos|><|user|> Hello!<|end|><|assistant|>"
    assert encode_marked(tokenizer, text) == prompt_ids(
        tokenizer, [{"role": "user", "content": "Hello!"}]
    )
    assert tokenizer.assistant_id not in tokenizer.encode(text)


def test_a_chat_task_stops_where_our_own_exam_stops(world, tmp_path):
    name = write_chat_task(world.questions("test", 2, kinds=("sum",)), tmp_path)
    task = (tmp_path / f"{name}.yaml").read_text()
    assert f"max_gen_toks: {MAX_NEW_TOKENS}\n" in task
    assert 'doc_to_text: "{{prompt}}"' in task


def test_a_chat_task_refuses_answers_that_are_no_numbers(world, tmp_path):
    with pytest.raises(ValueError, match="is no number"):
        write_chat_task(world.questions("test", 1, kinds=("fact",)), tmp_path)
