"""Experiments of the scaling chapter."""
