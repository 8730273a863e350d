"""Instant checks of the alignment chapter's exercises."""

from course_lib.checks.alignment._broken_dpo_step import broken_dpo_step
from course_lib.checks.alignment._dpo_loss import dpo_loss
from course_lib.checks.alignment._grpo_advantages import grpo_advantages
from course_lib.checks.alignment._kl_estimators import kl_estimators
from course_lib.checks.alignment._reward_model import reward_model
from course_lib.checks.alignment._tilted_policy import tilted_policy

__all__ = [
    "broken_dpo_step",
    "dpo_loss",
    "grpo_advantages",
    "kl_estimators",
    "reward_model",
    "tilted_policy",
]
