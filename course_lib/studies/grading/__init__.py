"""Experiments on the grader."""
