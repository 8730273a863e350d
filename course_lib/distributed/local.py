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

from course_lib.distributed.collectives import Transport


class RecvTimeout(RuntimeError):
    """A rank waited for a message that nobody sent."""


@dataclass
class LocalTransport(Transport):
    """A ``Transport`` between threads. ``queues[source, to]`` holds what is on its way.

    ``timeout``: seconds that ``receive`` waits for a message.
    """

    queues: dict[tuple[int, int], queue.Queue] = field(default_factory=dict, repr=False)
    timeout: float = 10.0

    def exchange(self, out: Tensor, to: int, into: Tensor, source: int) -> None:
        """Send and receive at once, as ``Transport.exchange``."""
        self.send(out, to)
        self.receive(into, source)

    def send(self, out: Tensor, to: int) -> None:
        """Put a copy of ``out`` on its way."""
        self._peer(to)
        self.queues[self.rank, to].put(out.detach().clone())
        self._count(out)

    def receive(self, into: Tensor, source: int) -> None:
        """Copy the next message from ``source`` into ``into``.

        Raises RecvTimeout where none comes in time, ValueError where its length is another.
        """
        self._peer(source)
        try:
            message = self.queues[source, self.rank].get(timeout=self.timeout)
        except queue.Empty:
            waited = f"waited {self.timeout:g} s for a message from rank {source}"
            raise RecvTimeout(f"rank {self.rank} {waited} that was never sent") from None
        if message.shape != into.shape:
            raise ValueError(
                f"rank {self.rank} has room for {tuple(into.shape)}, rank {source} sent "
                f"{tuple(message.shape)}"
            )
        into.copy_(message)

    def _peer(self, rank: int) -> None:
        if rank not in range(self.size) or rank == self.rank:
            raise ValueError(f"rank {self.rank} of {self.size} can't talk to rank {rank}")


def local_transports(size: int, timeout: float = 10.0) -> list[LocalTransport]:
    """One transport a rank, all joined."""
    if size < 1:
        raise ValueError(f"size={size}: expected at least 1 rank")
    queues = {(a, b): queue.Queue() for a in range(size) for b in range(size)}
    return [LocalTransport(rank=r, size=size, queues=queues, timeout=timeout) for r in range(size)]


def run_ranks(
    fn: Callable[[Any, LocalTransport], Any], inputs: Sequence[Any], timeout: float = 10.0
) -> tuple[list[Any], list[LocalTransport]]:
    """``fn(inputs[r], transports[r])`` on every rank r at once: the answers, and the transports.

    Where ranks fail, raises the first error that isn't merely a wait for another failed rank.
    """
    transports = local_transports(len(inputs), timeout)
    with ThreadPoolExecutor(len(inputs)) as pool:
        pairs = zip(inputs, transports, strict=True)
        running = [pool.submit(fn, x, transport) for x, transport in pairs]
        errors = [error for future in running if (error := future.exception())]
    for error in sorted(errors, key=lambda e: isinstance(e, RecvTimeout)):
        raise error
    return [future.result() for future in running], transports
