"""What code costs: processor seconds, memory, and a device's clock. Reads no environment."""

import resource
import sys

import torch


def cpu_seconds() -> float:
    """Processor seconds of this process and of the children it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB (2**20 bytes)."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def synchronize(device: torch.device | str) -> None:
    """Wait until the device has done all that it was given, as a clock needs. A CPU always has."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
