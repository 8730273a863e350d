"""Pretraining: the objective, the optimizer, the schedule and the loop that uses them.

Shared:
    loss: the loss, and the batches that it takes
"""
