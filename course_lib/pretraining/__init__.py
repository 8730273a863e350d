"""Pretraining: the objective, the optimizer, the schedule and the loop that uses them.

Pages and their code:
    own_text: real_run.trained

Shared:
    loss: the loss, and the batches that it takes
"""
