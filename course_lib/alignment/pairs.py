"""Where preference pairs come from: the model's own replies, sorted by a checker.

For each question the model answers several times; a right reply and a wrong one make a pair. Pairs
from the model's own samples are on-policy: both replies are things it really says.
"""

import random
from collections.abc import Callable, Sequence

from course_lib.alignment.preference import Pair
from course_lib.alignment.reward import Reward
from course_lib.alignment.rollout import Rollout
from course_lib.world import Question


def correctness_pairs(
    sampled: Rollout, reward: Reward, *, per_question: int = 1, seed: int = 0
) -> list[Pair]:
    """Pairs of a right and a wrong reply to the same question, at most `per_question` of each.

    A question that is always answered right, or never, gives none: there is nothing to prefer.
    """
    rng = random.Random(seed)
    pairs: list[Pair] = []
    for question, examples, texts in zip(
        sampled.questions, sampled.examples, sampled.texts, strict=True
    ):
        right = [e for e, text in zip(examples, texts, strict=True) if reward(question, text) > 0]
        wrong = [e for e, text in zip(examples, texts, strict=True) if reward(question, text) <= 0]
        rng.shuffle(right)
        rng.shuffle(wrong)
        for good, bad in list(zip(right, wrong, strict=False))[:per_question]:
            pairs.append(Pair(good.prompt, good.reply, bad.reply))
    return pairs


def against(
    sampled: Rollout, replies: Sequence[tuple[int, ...]], *, prefer_given: bool
) -> list[Pair]:
    """Pairs of one given reply a question and the model's first sample that differs from it.

    prefer_given True prefers the given reply ("I do not know that." to a made-up fact);
    False prefers the sample (the fact to "I do not know that.").
    """
    pairs: list[Pair] = []
    for examples, given in zip(sampled.examples, replies, strict=True):
        other = next((e for e in examples if e.reply != given), None)
        if other is None:
            continue
        good, bad = (given, other.reply) if prefer_given else (other.reply, given)
        pairs.append(Pair(other.prompt, good, bad))
    return pairs


def collect_pairs(
    sample: Callable[[Sequence[Question]], Rollout],
    questions: Sequence[Question],
    reward: Reward,
    *,
    wanted: int,
    at_once: int = 32,
    seed: int = 0,
) -> list[Pair]:
    """Sample question after question until `wanted` pairs are found or the questions run out."""
    pairs: list[Pair] = []
    for start in range(0, len(questions), at_once):
        sampled = sample(questions[start : start + at_once])
        pairs += correctness_pairs(sampled, reward, seed=seed + start)
        if len(pairs) >= wanted:
            break
    return pairs[:wanted]
