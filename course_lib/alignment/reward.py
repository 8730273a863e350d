"""Rewards that a program can check, and one that only seems to check.

A reward is a function (question, reply) -> number in 0..1. "Verifiable" means that no model judges:
Lambert et al. 2024, "Tulu 3", section 6 (reinforcement learning with verifiable rewards).
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.world import Question, World

Reward = Callable[[Question, str], float]


def strict(world: World) -> Reward:
    """1 where the whole reply is right: right value, right form, nothing after it."""
    return lambda question, reply: float(world.verify(question, reply).correct)


def lenient(world: World) -> Reward:
    """1 where the right value occurs anywhere in the reply: a check that can be gamed.

    It is what a hurried `answer in text` does. A reply that lists many numbers passes.
    """
    return lambda question, reply: float(world.verify_lenient(question, reply).correct)


def score(
    reward: Reward, questions: Sequence[Question], replies: Sequence[Sequence[str]]
) -> Float[Tensor, "groups samples"]:
    """The reward of several replies to each question."""
    return torch.tensor(
        [[reward(q, r) for r in group] for q, group in zip(questions, replies, strict=True)]
    )
