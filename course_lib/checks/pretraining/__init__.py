"""Instant checks of the pretraining chapter's exercises."""

from course_lib.checks.pretraining._accumulation import accumulation
from course_lib.checks.pretraining._adamw import adamw
from course_lib.checks.pretraining._atomic_save import atomic_save
from course_lib.checks.pretraining._broken_resume import broken_resume
from course_lib.checks.pretraining._loss_scaler import loss_scaler
from course_lib.checks.pretraining._masked_cross_entropy import masked_cross_entropy
from course_lib.checks.pretraining._step_memory import step_memory
from course_lib.checks.pretraining._update_ratio import update_ratio

__all__ = [
    "accumulation",
    "adamw",
    "atomic_save",
    "broken_resume",
    "loss_scaler",
    "masked_cross_entropy",
    "step_memory",
    "update_ratio",
]
