"""From weights to a service: the key-value cache, fewer bits, and a server others can call.

Pages and their code:
    serving: admission, answers, app, connection, engine, kv_cache, metrics, openapi, protocol,
        quantize, server, timing
Shared:
    chat: any model by its path, and `course chat`
    recipe: the artifact `quantized`
"""

from course_lib.deployment.engine import Engine, Sampling
from course_lib.deployment.kv_cache import StaticCache, decode_cached, decode_naive
from course_lib.deployment.protocol import Limits
from course_lib.deployment.quantize import (
    dequantize,
    load_quantized,
    quantize_model,
    quantize_rows,
    save_quantized,
    size_bytes,
)

__all__ = [
    "Engine",
    "Limits",
    "Sampling",
    "StaticCache",
    "decode_cached",
    "decode_naive",
    "dequantize",
    "load_quantized",
    "quantize_model",
    "quantize_rows",
    "save_quantized",
    "size_bytes",
]
