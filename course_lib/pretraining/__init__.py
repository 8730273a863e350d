"""Pretraining: the objective, the optimizer, the schedule and the loop that uses them.

Shared:
    loss: the loss, and the batches that it takes
"""

from course_lib.pretraining.loop.train import StepLog, TrainConfig, train
from course_lib.pretraining.loop.validation import Loss, validation_loss
from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups
from course_lib.pretraining.schedules.rates import cosine, wsd

__all__ = [
    "AdamW",
    "Loss",
    "StepLog",
    "TrainConfig",
    "cosine",
    "cross_entropy",
    "param_groups",
    "train",
    "validation_loss",
    "wsd",
]
