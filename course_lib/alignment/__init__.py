"""Alignment: preference pairs (DPO, IPO), then reinforcement learning with checked rewards.

Pages and their code:
    preferences: grpo, pairs, reward, rollout
Shared:
    recipe: the artifact `aligned`
"""

from course_lib.alignment.grpo import GrpoConfig, group_advantages, grpo, grpo_loss, mean_kl
from course_lib.alignment.pairs import collect_pairs, correctness_pairs, written_pairs
from course_lib.alignment.preferences import (
    Pair,
    PreferenceConfig,
    dpo_loss,
    ipo_loss,
    train_preferences,
)
from course_lib.alignment.reward import lenient, strict
from course_lib.alignment.rollout import rollout

__all__ = [
    "GrpoConfig",
    "Pair",
    "PreferenceConfig",
    "collect_pairs",
    "correctness_pairs",
    "dpo_loss",
    "group_advantages",
    "grpo",
    "grpo_loss",
    "ipo_loss",
    "lenient",
    "mean_kl",
    "rollout",
    "strict",
    "train_preferences",
    "written_pairs",
]
