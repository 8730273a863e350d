"""Talking to a model: opened by its path, and a terminal for it."""
