"""Ranks as threads of one process: collectives to try out without starting a process.

Python's threads don't compute at the same time, so nothing gets faster. But the messages, their
order, the waiting and the deadlocks are those of real ranks.
"""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from course_lib.distributed.collectives import Wire


class Silence(RuntimeError):
    """A rank waited for a message that nobody sent."""


@dataclass
class LocalWire(Wire):
    """A ``Wire`` whose cables are queues. ``mail[source, to]`` holds what is on its way."""

    mail: dict[tuple[int, int], queue.Queue] = field(default_factory=dict, repr=False)
    patience: float = 10.0

    def exchange(self, out: Tensor, to: int, into: Tensor, source: int) -> None:
        """Send and receive at once, as ``Wire.exchange``."""
        self.send(out, to)
        self.receive(into, source)

    def send(self, out: Tensor, to: int) -> None:
        """Put a copy of ``out`` on its way."""
        self._peer(to)
        self.mail[self.rank, to].put(out.detach().clone())
        self._count(out)

    def receive(self, into: Tensor, source: int) -> None:
        """Copy the next message from ``source`` into ``into``.

        Raises Silence where none comes in time, ValueError where its length is another.
        """
        self._peer(source)
        try:
            message = self.mail[source, self.rank].get(timeout=self.patience)
        except queue.Empty:
            waited = f"waited {self.patience:g} s for a message from rank {source}"
            raise Silence(f"rank {self.rank} {waited} that was never sent") from None
        if message.shape != into.shape:
            raise ValueError(
                f"rank {self.rank} has room for {tuple(into.shape)}, rank {source} sent "
                f"{tuple(message.shape)}"
            )
        into.copy_(message)

    def _peer(self, rank: int) -> None:
        if rank not in range(self.size) or rank == self.rank:
            raise ValueError(f"rank {self.rank} of {self.size} can't talk to rank {rank}")


def local_wires(size: int, patience: float = 10.0) -> list[LocalWire]:
    """One wire a rank, all joined."""
    if size < 1:
        raise ValueError(f"size={size}: expected at least 1 rank")
    mail = {(a, b): queue.Queue() for a in range(size) for b in range(size)}
    return [LocalWire(rank=r, size=size, mail=mail, patience=patience) for r in range(size)]


def run_ranks(
    fn: Callable[[Any, LocalWire], Any], inputs: Sequence[Any], patience: float = 10.0
) -> tuple[list[Any], list[LocalWire]]:
    """``fn(inputs[r], wire_r)`` on every rank r at once; returns the answers and the wires.

    Where ranks fail, raises the first error that isn't merely a wait for another failed rank.
    """
    wires = local_wires(len(inputs), patience)
    with ThreadPoolExecutor(len(inputs)) as pool:
        running = [pool.submit(fn, x, wire) for x, wire in zip(inputs, wires, strict=True)]
        errors = [error for future in running if (error := future.exception())]
    for error in sorted(errors, key=lambda e: isinstance(e, Silence)):
        raise error
    return [future.result() for future in running], wires
