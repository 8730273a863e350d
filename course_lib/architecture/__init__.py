"""The decoder: its mathematics, the model, sampling, accounting, and the bridge to transformers.

Shared:
    config: the sizes and choices of a decoder
    ops: the mathematics of one layer, as pure functions
    trace: one forward pass with every tensor kept
"""

from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    kv_cache_bytes,
    training_flops,
)
from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.decoder import Decoder, ModelConfig, load_model, save_model
from course_lib.architecture.sampling.generate import generate

__all__ = [
    "Decoder",
    "GrowingCache",
    "ModelConfig",
    "count_parameters",
    "forward_flops",
    "generate",
    "kv_cache_bytes",
    "load_model",
    "save_model",
    "training_flops",
]
