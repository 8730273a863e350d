"""The decoder: its mathematics, the model, sampling, accounting, and the bridge to transformers.

Shared:
    config: the sizes and choices of a decoder
    ops: the mathematics of one layer, as pure functions
    trace: one forward pass with every tensor kept
"""
