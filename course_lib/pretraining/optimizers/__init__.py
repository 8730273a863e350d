"""Optimizers from scratch: AdamW and its relatives."""
