"""The decoder: its mathematics, the model, sampling, accounting, and the bridge to transformers."""
