"""Instant checks of the alignment chapter's exercises."""

from course_lib.checks.alignment._dpo_loss import dpo_loss
from course_lib.checks.alignment._grpo_advantages import grpo_advantages
from course_lib.checks.alignment._kl_estimators import kl_estimators
from course_lib.checks.alignment._reward_model import reward_model

__all__ = ["dpo_loss", "grpo_advantages", "kl_estimators", "reward_model"]
