"""One TCP connection: how long it may take to say what it wants, and who leaves where all are full.

uvicorn waits for ever for the end of the headers. A few hundred clients that send half of them
(or have lost their network there) would take every place, and nobody else would be served.
"""

import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from course_lib.deployment.metrics import Metrics
from course_lib.deployment.protocol import Limits, Refusal

REASONS = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


class Connection(H11Protocol):
    """uvicorn's connection, with a time-out for headers, and refusals in OpenAI's shape."""

    def __init__(self, *arguments: Any, limits: Limits, metrics: Metrics, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.limits, self.metrics = limits, metrics
        self.deadline: Any = None  # a timer of asyncio or uvloop
        self.since = 0.0  # when the present request began, or the connection

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_clock()
        if len(self.connections) > self.limits.connections:
            # this one has no request yet, so there is always one to send away
            oldest = min((c for c in self.connections if c.asking), key=lambda c: c.since)
            oldest.refuse(503, "All connections are taken. Try again.", "too_many_connections")

    @property
    def asking(self) -> bool:
        """Whether headers or body are still to come; no answer has begun."""
        answering = self.cycle is not None and self.cycle.response_started
        body = self.conn.their_state is h11.SEND_BODY and not answering
        return self.conn.their_state is h11.IDLE or body

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_clock()
        elif self.deadline is None:
            self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        seconds = self.limits.header_seconds
        message = f"The headers did not end within {seconds:g} seconds."
        self.since = self.loop.time()
        self.deadline = self.loop.call_later(seconds, self.refuse, 408, message, "request_timeout")

    def _stop_clock(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, "This is no HTTP/1.1 request.", "invalid_http")

    def refuse(self, status: int, message: str, code: str) -> None:
        """Say why, where no answer has begun, and hang up."""
        self._stop_clock()
        self.connections.discard(self)
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.metrics.answered("", status)
            self.metrics.refusals.labels(code).inc()
            body = json.dumps(Refusal(status, message, code=code).body()).encode()
            head = (
                f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
