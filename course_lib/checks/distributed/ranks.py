"""Ranks as threads, and what an answer of this chapter sends its messages through.

Like `course_lib.distributed.local`, but a deadlock is seen at once, and not by a timeout: where
every rank that still runs waits for a message that nobody has sent, none can ever come.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from course_lib.distributed.collectives import Transport

TIMEOUT = 30.0  # seconds: for a rank whose process died, not for deadlocks


class Deadlock(RuntimeError):
    """A rank waits for a message that nobody will send."""


class Mailboxes:
    """The messages on their way between ranks, and who waits for one from whom."""

    def __init__(self, size: int):
        self._boxes: dict[tuple[int, int], deque] = defaultdict(deque)
        self._running = set(range(size))
        self._waiting: dict[int, int] = {}
        self._changed = threading.Condition()

    def put(self, source: int, to: int, message: Tensor) -> None:
        """Leave a message for rank ``to``."""
        with self._changed:
            self._boxes[source, to].append(message)
            self._changed.notify_all()

    def take(self, rank: int, source: int) -> Tensor:
        """The next message from ``source``. Raises Deadlock where none can come."""
        with self._changed:
            self._waiting[rank] = source
            self._changed.notify_all()  # this may have been the last rank that could have sent
            try:
                while not self._boxes[source, rank]:
                    if self._stuck() or not self._changed.wait(TIMEOUT):
                        raise Deadlock(
                            f"rank {rank} waits for a message from rank {source} that was never "
                            "sent"
                        )
                return self._boxes[source, rank].popleft()
            finally:
                del self._waiting[rank]

    def leave(self, rank: int) -> None:
        """Rank has returned, or failed: it will send nothing more."""
        with self._changed:
            self._running.discard(rank)
            self._changed.notify_all()

    def _stuck(self) -> bool:
        waiting = self._waiting
        return all(r in waiting and not self._boxes[waiting[r], r] for r in self._running)


class ThreadTransport(Transport):
    """One rank's transport: single messages through the mailboxes, with every byte counted."""

    REMOTE = ("exchange", "send", "receive")
    REMOTE_READ = ("rank", "size")

    def __init__(self, rank: int, size: int, mailboxes: Mailboxes):
        super().__init__(rank=rank, size=size)
        self._mailboxes = mailboxes

    def exchange(self, out: Tensor, to: int, into: Tensor, source: int) -> None:
        """Send ``out`` to rank ``to`` while receiving from ``source`` into ``into``."""
        self.send(out, to)
        self.receive(into, source)

    def send(self, out: Tensor, to: int) -> None:
        """Put a copy of ``out`` on its way."""
        self._peer(to)
        self._tensor(out)
        self._mailboxes.put(self.rank, to, out.detach().clone())
        self._count(out)

    def receive(self, into: Tensor, source: int) -> None:
        """Copy the next message from ``source`` into ``into``, which must have its shape."""
        self._peer(source)
        self._tensor(into)
        message = self._mailboxes.take(self.rank, source)
        if message.shape != into.shape:
            raise ValueError(
                f"rank {self.rank} has room for {tuple(into.shape)}, rank {source} sent "
                f"{tuple(message.shape)}"
            )
        with torch.no_grad():
            into.copy_(message)

    def _peer(self, rank: int) -> None:
        if rank not in range(self.size) or rank == self.rank:
            raise ValueError(f"rank {self.rank} of {self.size} can't talk to rank {rank}")

    def _tensor(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise ValueError(f"rank {self.rank} gave a {kind}, expected a tensor")


class Group(ThreadTransport):
    """All ranks together: an answer may ask for the sum over them, and nothing else."""

    REMOTE = ("all_reduce",)

    def all_reduce(self, tensor: Tensor) -> None:
        """Overwrite ``tensor`` with its sum over the ranks, added in their order."""
        self._tensor(tensor)
        others = [r for r in range(self.size) if r != self.rank]
        for to in others:
            self.send(tensor, to)
        parts = {self.rank: tensor.detach().clone()}
        for source in others:
            parts[source] = torch.empty_like(tensor)
            self.receive(parts[source], source)
        with torch.no_grad():
            tensor.copy_(sum(parts[r] for r in range(self.size)))


def run_together(
    call: Callable[[Any, ThreadTransport], Any],
    inputs: Sequence[Any],
    kind: type[ThreadTransport] = ThreadTransport,
) -> tuple[list[Any], list[ThreadTransport]]:
    """``call(inputs[r], transports[r])`` on every rank r at once: the answers, and the transports.

    Where ranks fail, raises the first error that isn't merely the wait for another failed rank.
    """
    mailboxes = Mailboxes(len(inputs))
    transports = [kind(rank, len(inputs), mailboxes) for rank in range(len(inputs))]

    def one(rank: int) -> Any:
        try:
            return call(inputs[rank], transports[rank])
        finally:
            mailboxes.leave(rank)

    with ThreadPoolExecutor(max(len(inputs), 1)) as pool:
        running = [pool.submit(one, rank) for rank in range(len(inputs))]
        errors = [error for future in running if (error := future.exception())]
    for error in sorted(errors, key=lambda e: isinstance(e, Deadlock)):
        raise error
    return [future.result() for future in running], transports
