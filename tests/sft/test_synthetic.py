"""Instructions: right by the world's own verifier, in the asked mix, of the asked split."""

import random
from collections import Counter

import pytest

from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.sft.synthetic import InstructionConfig, encode, encode_prompt, instructions
from course_lib.world import World, WorldConfig


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldConfig(seed=0))


def test_every_reply_is_right_and_the_mix_is_as_asked(world):
    made = instructions(world, InstructionConfig(total=200))
    assert all(world.verify(i.question, i.reply).correct for i in made)
    kinds = Counter(i.question.kind for i in made)
    assert kinds == {"fact": 48, "sum": 14, "where": 80, "count": 44, "stranger": 14}
    assert {i.question.split for i in made} == {"train"}


def test_worked_share(world):
    shows = InstructionConfig(total=100, worked=1.0)
    hides = InstructionConfig(total=100, worked=0.0)
    for config, worked in ((shows, True), (hides, False)):
        counts = [i for i in instructions(world, config) if i.question.kind == "count"]
        assert counts
        assert all((i.reply == i.question.worked) == worked for i in counts)


def test_same_seed_same_instructions(world):
    config = InstructionConfig(total=50, seed=3)
    random.seed(1)
    first = instructions(world, config)
    random.seed(2)
    assert first == instructions(world, config)
    assert first != instructions(world, InstructionConfig(total=50, seed=4))


def test_encoding_holds_the_question_then_the_reply(world):
    tok = train_bpe(["What is 3 plus 4? 3 plus 4 is 7."], vocab_size=270)
    (made,) = instructions(
        world, InstructionConfig(total=1, fact=0.0, where=0.0, count=0.0, stranger=0.0, sum=1.0)
    )
    example = encode(tok, made)
    assert list(example.prompt) == encode_prompt(tok, made.question.prompt)
    assert example.prompt[:2] == (tok.eos_id, tok.user_id)
    assert example.prompt[-2:] == (tok.end_id, tok.assistant_id)
    assert example.reply[-1] == tok.end_id
    assert tok.decode(list(example.reply)).strip() == made.reply


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="worked .* got 2.0"):
        InstructionConfig(total=1, worked=2.0)
    with pytest.raises(ValueError, match="add up to 1"):
        InstructionConfig(total=1, fact=0.9)
