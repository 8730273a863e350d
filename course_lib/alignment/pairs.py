"""Where preference pairs come from: the model's own replies, sorted by a checker.

For each question the model answers several times; a right reply and a wrong one make a pair. Pairs
from the model's own samples are on-policy: both replies are things it really says.
"""

import random
from collections.abc import Callable, Sequence

from course_lib.alignment.preferences import Pair
from course_lib.alignment.reward import Reward
from course_lib.alignment.rollout import Rollout
from course_lib.data.tokenization.chat import reply_ids
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.sft.synthetic import encode_prompt
from course_lib.world import Preference, Question


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


def collect_pairs(
    sample: Callable[[Sequence[Question]], Rollout],
    questions: Sequence[Question],
    reward: Reward,
    *,
    wanted: int,
    batch_size: int = 32,
    seed: int = 0,
) -> list[Pair]:
    """Sample question after question until `wanted` pairs are found or the questions run out."""
    pairs: list[Pair] = []
    for start in range(0, len(questions), batch_size):
        sampled = sample(questions[start : start + batch_size])
        pairs += correctness_pairs(sampled, reward, seed=seed + start)
        if len(pairs) >= wanted:
            break
    return pairs[:wanted]


def written_pairs(tokenizer: Tokenizer, preferences: Sequence[Preference]) -> list[Pair]:
    """Pairs that somebody wrote (here the world), as token ids."""
    return [
        Pair(
            tuple(encode_prompt(tokenizer, preference.prompt)),
            tuple(reply_ids(tokenizer, preference.chosen)),
            tuple(reply_ids(tokenizer, preference.rejected)),
        )
        for preference in preferences
    ]
