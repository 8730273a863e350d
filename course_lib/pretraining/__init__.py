"""Pretraining: the objective, the optimizer, the schedule and the loop that uses them."""
