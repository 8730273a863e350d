"""Whether a run fits, asked before its first step: a killed process says nothing."""

import psutil
import torch

from course_lib.architecture.accounting.sizes import sizes_of
from course_lib.architecture.config import ModelConfig
from course_lib.pretraining.memory.adviser import Setting, need


def bytes_needed(model: ModelConfig, seq_len: int, batch_size: int, device: str) -> int:
    """Bytes of a training step of ``batch_size`` rows on one device, by the adviser's formula.

    Its activations are counted in bfloat16; in float32, on a CPU, they are twice that.
    """
    found = need(sizes_of(model), Setting(batch=batch_size, seq=seq_len, chunked=False))
    return found.total + (found.activations if device == "cpu" else 0)


def bytes_free(device: str) -> int:
    """Memory that a run may have: free memory of the machine, or all of the GPU's."""
    if device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return psutil.virtual_memory().available


def fault_of_room(
    model: ModelConfig, seq_len: int, batch_size: int, device: str, ranks: int = 1
) -> str | None:
    """Why a step of all ``ranks`` doesn't fit, or None where it does.

    Ranks on a CPU share its memory; each has its own model and its share of the rows.
    """
    rows = max(1, batch_size // ranks)
    here = ranks if device == "cpu" else 1
    wanted, free = here * bytes_needed(model, seq_len, rows, device), bytes_free(device)
    if wanted <= free:
        return None
    return (
        f"a step needs about {wanted / 1e9:.1f} GB ({batch_size} rows of {seq_len} tokens, "
        f"{ranks} rank(s) on {device}), and {free / 1e9:.1f} GB are there: take fewer rows "
        "(--batch-size), a smaller model (--depth) or the profile cpu"
    )
