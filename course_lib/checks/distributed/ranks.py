"""Ranks as threads, and the cables between them: what an answer of this chapter talks through.

Like `course_lib.distributed.local`, but a deadlock is seen at once, and not by a time-out: where
every rank that still runs waits for a message that nobody has sent, none can ever come.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from course_lib.distributed.collectives import Wire
from course_lib.distributed.local import Silence

PATIENCE = 30.0  # seconds: for a rank whose process died, not for deadlocks


class Post:
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
        """The next message from ``source``. Raises Silence where none can come."""
        with self._changed:
            self._waiting[rank] = source
            self._changed.notify_all()  # this may have been the last rank that could have sent
            try:
                while not self._boxes[source, rank]:
                    if self._stuck() or not self._changed.wait(PATIENCE):
                        raise Silence(
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


class Cable(Wire):
    """One rank's end of the post: single messages, with every byte counted."""

    REMOTE = ("exchange", "send", "receive")
    REMOTE_READ = ("rank", "size")

    def __init__(self, rank: int, size: int, post: Post):
        super().__init__(rank=rank, size=size)
        self._post = post

    def exchange(self, out: Tensor, to: int, into: Tensor, source: int) -> None:
        """Send ``out`` to rank ``to`` while receiving from ``source`` into ``into``."""
        self.send(out, to)
        self.receive(into, source)

    def send(self, out: Tensor, to: int) -> None:
        """Put a copy of ``out`` on its way."""
        self._peer(to)
        self._tensor(out)
        self._post.put(self.rank, to, out.detach().clone())
        self._count(out)

    def receive(self, into: Tensor, source: int) -> None:
        """Copy the next message from ``source`` into ``into``, which must have its shape."""
        self._peer(source)
        self._tensor(into)
        message = self._post.take(self.rank, source)
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
            raise ValueError(f"rank {self.rank} gave the wire a {kind}, expected a tensor")


class Group(Cable):
    """A cable that knows one thing alone: the sum over the ranks."""

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
    call: Callable[[Any, Cable], Any], inputs: Sequence[Any], kind: type[Cable] = Cable
) -> tuple[list[Any], list[Cable]]:
    """``call(inputs[r], cable_r)`` on every rank r at once: the answers, and the cables.

    Where ranks fail, raises the first error that isn't merely the wait for another failed rank.
    """
    post = Post(len(inputs))
    cables = [kind(rank, len(inputs), post) for rank in range(len(inputs))]

    def one(rank: int) -> Any:
        try:
            return call(inputs[rank], cables[rank])
        finally:
            post.leave(rank)

    with ThreadPoolExecutor(max(len(inputs), 1)) as pool:
        running = [pool.submit(one, rank) for rank in range(len(inputs))]
        errors = [error for future in running if (error := future.exception())]
    for error in sorted(errors, key=lambda e: isinstance(e, Silence)):
        raise error
    return [future.result() for future in running], cables
