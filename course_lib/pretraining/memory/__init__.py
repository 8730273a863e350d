"""What a training step holds in memory, and what to do where it doesn't fit."""
