"""Experiments of the architecture chapter."""
