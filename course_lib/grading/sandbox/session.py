"""An answer that is open in a worker: who waits for it, for how long by now, and how it ended."""

import json
import queue
import threading
import time

STATUSES = (
    "out of time",
    "too much output",
    "out of memory",
    "closed",
    "ended without a reply",
    "ended the worker",
    "sent no JSON",
)
MAX_PARTS = 1_000_000  # of the JSON that waits to be read: more would cost the judge its memory


class Ended(SystemExit):
    """The answer is over: killed, out of time, or its pipe cut. `args[0]` says how.

    It is no Exception, so that no harness and no check takes it for one of the answer's. It is a
    SystemExit, since that ends a harness's thread without a traceback.
    """


class Session:
    """An open answer, as the judge sees it: an inbox a call, the time spent, how it ended."""

    def __init__(self, seconds: float | int):
        self.seconds, self.waited, self.waiting, self.since = seconds, 0.0, 0, 0.0
        self.ended: str | None = None
        self.loading: queue.SimpleQueue = queue.SimpleQueue()
        self.inboxes: dict[int, queue.SimpleQueue] = {}
        self.total = self.unread = 0  # bytes of all lines; parts of the messages in the boxes
        self.lock, self.over = threading.Lock(), threading.Event()

    def inbox(self, number: int) -> queue.SimpleQueue:
        """The queue for the answer's messages about this call."""
        with self.lock:
            return self.inboxes.setdefault(number, queue.SimpleQueue())

    def wait(self, box: queue.SimpleQueue) -> dict:
        """The next message. Raises Ended. Only the time spent in here is the answer's."""
        left = self._clock(+1)
        message = None
        try:
            message = box.get_nowait() if self.ended else box.get(timeout=max(0.0, left))
        except queue.Empty:
            self.end("out of time")
        finally:
            self._clock(-1)
        if message is None:
            raise Ended(self.ended)
        with self.lock:
            self.unread -= message[1]
        return message[0]

    def _clock(self, step: int) -> float:
        """A caller begins (+1) or stops (-1) to wait. Returns the seconds that are left."""
        now = time.monotonic()
        with self.lock:
            if self.waiting:
                self.waited += now - self.since
            self.since, self.waiting = now, self.waiting + step
            return self.seconds - self.waited

    def end(self, how: str) -> None:
        """Wake everyone who waits: they raise Ended."""
        with self.lock:
            self.ended = self.ended or how
            for box in [self.loading, *self.inboxes.values()]:
                box.put(None)

    def take(self, line: bytes) -> None:
        """A line that the answer sent."""
        parts = sum(line.count(mark) for mark in (b"[", b"{", b","))
        with self.lock:
            self.unread += parts
        if self.unread > MAX_PARTS:
            return self.end("too much output")
        try:
            message = dict(json.loads(line))
            box = self.loading if "status" in message else self.inboxes[message["call"]]
        except (ValueError, RecursionError, TypeError, KeyError):
            return self.end("sent no JSON")
        box.put((message, parts))
        return None
