"""The number format of a training step's products, by the device that makes them."""

from contextlib import AbstractContextManager, nullcontext

import torch


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 products on a GPU; float32 on a CPU, whose bfloat16 may be emulated and slow."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
