"""How long each step of a stream takes, on a machine that others use too."""

import time
from collections.abc import Iterable

import torch


def step_milliseconds(steps: Iterable, device: torch.device) -> list[float]:
    """Milliseconds for each item: processor time on a CPU, wall time after a sync on a GPU.

    Processor time leaves out what other programs took. On a GPU the processor only starts the
    work, so there the clock on the wall is read once the GPU has finished.
    """
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    took, begun = [], clock()
    for _ in steps:
        if on_gpu:
            torch.cuda.synchronize()
        now = clock()
        took.append(1000 * (now - begun))
        begun = now
    return took
