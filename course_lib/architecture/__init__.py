"""The decoder: its mathematics, the model, sampling, accounting, and the bridge to transformers.

Pages and their code:
    published: families.published, families.folders, families.gguf, families.gguf_llama

Shared:
    config: the sizes and choices of a decoder
    ops: the mathematics of one layer, as pure functions
    trace: one forward pass with every tensor kept
"""
