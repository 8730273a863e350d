"""Experiments of the data chapter."""
