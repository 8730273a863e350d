"""Experiments of the evaluation chapter."""
