"""Timing that holds on a noisy machine: ours and the peer in turn, in one process, as a ratio."""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def interleave(
    contestants: dict[str, Callable[[], object]], rounds: int = 7, warmup: int = 2
) -> dict[str, list[float]]:
    """Process-CPU seconds of each contestant's calls, A B A B …, after ``warmup`` rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warmup + rounds):
        for name, call in contestants.items():
            began = time.process_time()
            call()
            if turn >= warmup:
                seconds[name].append(time.process_time() - began)
    return seconds


def show(title: str, seconds: dict[str, list[float]]) -> None:
    """Median and spread of each, and the ratio of the first one's speed to each other's."""
    print(title)
    first = next(iter(seconds))
    for name, values in seconds.items():
        pairs = [theirs / ours for ours, theirs in zip(seconds[first], values, strict=True)]
        ratio = f"{first} is {statistics.median(pairs):.2f}x as fast" if name != first else ""
        spread = f"{min(values) * 1e3:.1f} to {max(values) * 1e3:.1f}"
        print(f"  {name:<28}{statistics.median(values) * 1e3:>9.1f} ms ({spread})  {ratio}")


def course_config():
    """The decoder of the present profile."""
    from course_lib import profile

    return profile.current().model


def gemm_gflops(size: int = 1024, rounds: int = 5) -> float:
    """The machine's own limit: float32 matrix product, GFLOP a CPU-second."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    seconds = interleave({"gemm": lambda: a @ b}, rounds)["gemm"]
    return 2 * size**3 / statistics.median(seconds) / 1e9
