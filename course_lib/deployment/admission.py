"""Admission: which requests are served. Checked are host, key, size of the body, and the queue.

Every refusal is decided before any work is done for the request, and says why.
"""

import asyncio
import hmac
import json
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

from course_lib.deployment.metrics import Metrics
from course_lib.deployment.protocol import Limits, Refusal

DRAINED = 1_048_576  # bytes past the limit that are listened to before we hang up

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Line:
    """At most `running` answers are written at once, and at most `waiting` requests wait.

    In a queue without an end, every request would be answered after its reader has gone. Where the
    queue is full the answer is 429 with `Retry-After`, which clients know to obey.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self.slots = asyncio.Semaphore(limits.running)
        self.inside = 0

    async def enter(self) -> "Slot":
        if self.inside >= self.limits.running + self.limits.waiting:
            raise Refusal(
                429,
                f"The server is writing {self.limits.running} answers and {self.limits.waiting} "
                "requests wait. Try again in a second.",
                code="server_busy",
                kind="rate_limit_error",
                headers={"Retry-After": "1"},
            )
        self.inside += 1
        self.metrics.waiting.inc()
        try:
            await self.slots.acquire()
        except BaseException:
            self.inside -= 1
            raise
        finally:
            self.metrics.waiting.dec()
        self.metrics.running.inc()
        return Slot(self)


class Slot:
    """The right to write one answer; giving it back twice is harmless."""

    def __init__(self, line: Line) -> None:
        self.line: Line | None = line

    def release(self) -> None:
        if self.line is not None:
            self.line.metrics.running.dec()
            self.line.inside -= 1
            self.line.slots.release()
            self.line = None


class Gate:
    """ASGI middleware: checks host and key, then counts the body's bytes as they arrive.

    It stands before the framework, so that nobody without a key can make us parse anything,
    and a body without an honest Content-Length is still cut off at the limit.
    """

    def __init__(
        self,
        app: Any,
        *,
        limits: Limits,
        metrics: Metrics,
        api_key: str | None,
        hosts: tuple[str, ...],
    ) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics
        self.api_key, self.hosts = api_key, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, started = scope["path"], False
        scope["course.arrived"] = time.perf_counter()
        headers = {name.lower(): value for name, value in scope["headers"]}

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self.metrics.answered(path, message["status"])
            await send(message)

        try:
            self._check_host(headers.get(b"host", b""))
            self._check_key(path, headers.get(b"authorization", b""))
            with anyio.fail_after(self.limits.body_seconds):
                body = await self._read(headers.get(b"content-length"), receive)
        except TimeoutError:
            await self._refuse(_too_slow(self.limits.body_seconds), counted)
            return
        except Refusal as refusal:
            await self._refuse(refusal, counted)
            return
        try:
            await self.app(scope, _replay(body, receive), counted)
        except Exception:
            if not started:  # the framework answers a crash outside of us, with 500
                self.metrics.answered(path, 500)
            raise

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        self.metrics.refusals.labels(refusal.code).inc()
        await _send(refusal, send)

    def _check_host(self, header: bytes) -> None:
        """Refuse a foreign name: else any web site could point its own name at 127.0.0.1 and
        have its visitors' browsers talk to this server (DNS rebinding)."""
        name = re.sub(r":\d*$", "", header.decode("latin-1")).lower()
        if "*" not in self.hosts and name not in self.hosts:
            raise Refusal(
                400,
                f"This server is not known as {name!r}, only as {', '.join(self.hosts)}.",
                code="unknown_host",
            )

    def _check_key(self, path: str, header: bytes) -> None:
        if self.api_key is None or path == "/health":
            return
        scheme, _, key = header.partition(b" ")
        # compare_digest takes the same time wherever the first wrong byte is
        right = hmac.compare_digest(key.strip(b" "), self.api_key.encode())
        if scheme.lower() != b"bearer" or not right:
            raise Refusal(
                401,
                "The API key is missing or wrong. Send it as 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
                kind="authentication_error",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _read(self, declared: bytes | None, receive: Receive) -> bytes:
        """The whole body, or 413. A client that is still writing doesn't read our answer, so what
        is too much is listened to for a while, and not kept."""
        most = self.limits.body_bytes
        too_large = Refusal(
            413,
            f"The body is larger than {most} bytes.",
            code="body_too_large",
            headers={"Connection": "close"},
        )
        if declared is not None and declared.isdigit() and int(declared) > most + DRAINED:
            raise too_large
        body, size = b"", 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Refusal(400, "The body ended before its length.", code="incomplete_body")
            size += len(message.get("body", b""))
            if size <= most:
                body += message.get("body", b"")
            if size > most + DRAINED or (size > most and not message.get("more_body")):
                raise too_large
            if not message.get("more_body"):
                return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, and afterwards whatever comes (a disconnect)."""
    given = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_slow(seconds: float) -> Refusal:
    return Refusal(
        408,
        f"The body did not end within {seconds:g} seconds.",
        code="request_timeout",
        headers={"Connection": "close"},
    )


async def _send(refusal: Refusal, send: Send) -> None:
    body = json.dumps(refusal.body()).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    headers |= refusal.headers
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
