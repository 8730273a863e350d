"""Pretraining: the objective, the optimizer, the schedule and the loop that uses them."""

from course_lib.pretraining.monitor import Loss, validation_loss
from course_lib.pretraining.optim import AdamW, param_groups
from course_lib.pretraining.schedule import cosine, wsd
from course_lib.pretraining.train import StepLog, TrainConfig, cross_entropy, train

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
