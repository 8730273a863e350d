"""The decoder: its mathematics, the model, sampling, accounting, and the bridge to transformers."""

from course_lib.architecture.accounting import (
    count_parameters,
    forward_flops,
    kv_cache_bytes,
    training_flops,
)
from course_lib.architecture.attention import GrowingCache
from course_lib.architecture.model import Decoder, ModelConfig, load_model, save_model
from course_lib.architecture.sampling import generate

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
