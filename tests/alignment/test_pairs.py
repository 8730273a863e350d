"""Pairs: right beats wrong, at most as many as asked, none where there is nothing to prefer."""

from course_lib.alignment.pairs import collect_pairs, correctness_pairs, written_pairs
from course_lib.alignment.reward import lenient, score, strict
from course_lib.alignment.rollout import Rollout
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.sft.masking import Example
from course_lib.world import World, WorldConfig

WORLD = World(WorldConfig(seed=0))
QUESTIONS = WORLD.questions("train", 3, 0, kinds=("sum",))


def sampled(questions, texts) -> Rollout:
    """A rollout whose reply ids are the characters of the texts."""
    examples = [[Example((0,), tuple(map(ord, t))) for t in group] for group in texts]
    return Rollout(list(questions), examples, [list(group) for group in texts])


def test_right_beats_wrong():
    right = [q.answer for q in QUESTIONS]
    drawn = sampled(QUESTIONS, [[right[0], "no"], ["no", "nor"], [right[2], right[2]]])
    (pair,) = correctness_pairs(drawn, strict(WORLD))
    assert pair.chosen == tuple(map(ord, right[0]))
    assert pair.rejected == (ord("n"), ord("o"))


def test_collect_stops_at_the_wanted_number():
    right = QUESTIONS[0].answer
    asked = [QUESTIONS[0]] * 100
    pairs = collect_pairs(
        lambda some: sampled(some, [[right, "no"]] * len(some)), asked, strict(WORLD), wanted=40
    )
    assert len(pairs) == 40


def test_written_pairs_hold_the_texts():
    tokenizer = train_bpe(["I do not know that. She lives in Oakby."], vocab_size=280)
    preferences = WORLD.preferences("train", 10, 0)
    for pair, written in zip(written_pairs(tokenizer, preferences), preferences, strict=True):
        assert tokenizer.decode(list(pair.chosen)).strip() == written.chosen
        assert tokenizer.decode(list(pair.rejected)).strip() == written.rejected
        assert written.prompt in tokenizer.decode(list(pair.prompt))


def test_lenient_reward_can_be_gamed_and_strict_cannot():
    question = QUESTIONS[0]
    replies = [[question.answer, " ".join(map(str, range(40))), "no"]]
    assert score(strict(WORLD), [question], replies).tolist() == [[1.0, 0.0, 0.0]]
    assert score(lenient(WORLD), [question], replies).tolist() == [[1.0, 1.0, 0.0]]


def test_mean_length_counts_reply_tokens():
    assert sampled(QUESTIONS[:1], [["ab", "abcd"]]).mean_length == 3.0
