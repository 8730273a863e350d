"""Checkpoints that outlive what happens to them, and what to do about a bad number."""
