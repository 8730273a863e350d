"""The web application: FastAPI for the routes, ours for what happens behind them.

A request passes: the key and the body's size (`admission.Gate`), the fields (`protocol`), the
length of the prompt, the line (`admission.Line`), and then streams from `engine`.

What this version does not do: batch requests together. Each answer has its own forward passes,
so two readers halve each other's speed; a later chapter of serving is continuous batching.
"""

import json
import time
from collections.abc import AsyncIterator

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException

from course_lib.deployment.admission import Gate, Line, Slot
from course_lib.deployment.answers import Envelope, usage
from course_lib.deployment.engine import Engine, Piece, Sampling
from course_lib.deployment.metrics import CONTENT_TYPE, Metrics
from course_lib.deployment.openapi import ANSWER, ERRORS, KEY, PLAIN
from course_lib.deployment.protocol import (
    ChatRequest,
    CompletionRequest,
    Limits,
    Refusal,
    check_turns,
    refusal_of,
)

SERVED_MODEL_NAME = "course-aligned-int8"  # the lineage's stage and its bits
CODES = {400: "invalid_json", 404: "unknown_url", 405: "method_not_allowed"}
CRASH = Refusal(
    500,
    "The server failed to answer; its log says why.",
    code="internal_error",
    kind="server_error",
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Server:
    """What the routes share: the engine, the limits, the line and the counters."""

    def __init__(self, engine: Engine, limits: Limits, name: str) -> None:
        self.engine, self.limits, self.name = engine, limits, name
        self.metrics = Metrics()
        self.line = Line(limits, self.metrics)
        self.created = int(time.time())

    def card(self) -> dict:
        return {"id": self.name, "object": "model", "created": self.created, "owned_by": "course"}

    def check_model(self, name: str) -> None:
        if name != self.name:
            raise Refusal(
                404,
                f"The model {name!r} is not here; this server has {self.name!r}.",
                code="model_not_found",
                param="model",
            )

    def sampling(
        self, request: ChatRequest | CompletionRequest, prompt: list[int], param: str
    ) -> Sampling:
        """Check the lengths that the request asks for against the limits and the model."""
        limit = self.limits.prompt_tokens
        room = self.engine.max_seq - len(prompt)
        if len(prompt) > limit or room < 1:
            limit = min(limit, self.engine.max_seq - 1)
            raise Refusal(
                400,
                f"The prompt has {len(prompt)} tokens; this server takes at most {limit}.",
                code="context_length_exceeded",
                param=param,
            )
        field, wanted = request.token_limit
        most = min(self.limits.max_tokens, room)
        if wanted is not None and wanted > most:
            raise Refusal(
                400,
                f"{field} is {wanted}; after a prompt of {len(prompt)} tokens at most {most} "
                "are left.",
                code="context_length_exceeded",
                param=field,
            )
        return Sampling(
            max_tokens=wanted or most,
            temperature=request.temperature or 0.0,
            top_p=request.top_p or 1.0,
            seed=request.seed,
            stops=request.stops,
            chat=isinstance(request, ChatRequest),
        )

    async def timed(
        self, prompt: list[int], sampling: Sampling, arrived: float
    ) -> AsyncIterator[Piece]:
        """The engine's pieces, each made in a worker thread, with the times booked at the end."""
        first, count = None, 0
        try:
            async for piece in iterate_in_threadpool(self.engine.pieces(prompt, sampling)):
                first = first or time.perf_counter() - arrived
                count = piece.tokens
                yield piece
        finally:
            self.metrics.finished(
                prompt=len(prompt),
                completion=count,
                first=first,
                total=time.perf_counter() - arrived,
            )

    async def respond(
        self,
        http: Request,
        request: ChatRequest | CompletionRequest,
        prompt: list[int],
        sampling: Sampling,
    ) -> Response:
        envelope = Envelope.new(self.name, chat=isinstance(request, ChatRequest))
        pieces = self.timed(prompt, sampling, http.scope["course.arrived"])
        slot = await self.line.enter()
        if request.stream:
            events = self.events(envelope, len(prompt), pieces, request.include_usage)
            return _SlotStream(events, slot, self.limits.seconds)
        try:
            text, piece = "", Piece("", 0, "length")
            with anyio.move_on_after(self.limits.seconds):
                async for piece in pieces:
                    text += piece.text
                    if await http.is_disconnected():
                        break
        finally:
            slot.release()
        tokens = usage(len(prompt), piece.tokens)
        return JSONResponse(envelope.whole(text, piece.finish or "length", tokens))

    async def events(
        self, envelope: Envelope, prompt: int, pieces: AsyncIterator[Piece], with_usage: bool
    ) -> AsyncIterator[bytes]:
        """Server-sent events: one `data:` line a chunk, then `data: [DONE]`."""
        if envelope.chat:
            yield _event(envelope.chunk("", None, first=True))
        count = 0
        try:
            async for piece in pieces:
                count = piece.tokens
                if piece.text:
                    yield _event(envelope.chunk(piece.text, None))
                if piece.finish:
                    yield _event(envelope.chunk(None, piece.finish))
        except Exception:  # the status 200 has left: the reader is told in the stream
            yield _event(CRASH.body())
            raise
        if with_usage:
            yield _event(envelope.usage_chunk(usage(prompt, count)))
        yield b"data: [DONE]\n\n"


class _SlotStream(StreamingResponse):
    """A stream that gives its slot back however it ends, even if it never began."""

    def __init__(self, events: AsyncIterator[bytes], slot: Slot, seconds: float) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )
        self.slot, self.seconds = slot, seconds

    async def __call__(self, scope, receive, send) -> None:
        try:
            with anyio.move_on_after(self.seconds):  # a reader who stalls can't hold a slot
                await super().__call__(scope, receive, send)
        finally:
            self.slot.release()


def _event(data: dict) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def create_app(
    engine: Engine,
    *,
    name: str = SERVED_MODEL_NAME,
    limits: Limits | None = None,
    api_key: str | None = None,
    hosts: tuple[str, ...] = LOOPBACK,
) -> FastAPI:
    """The web application; `hosts` are the names by which it may be called, or ("*",)."""
    server = Server(engine, limits or Limits(), name)
    app = FastAPI(
        title="course",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=ERRORS,
    )
    app.state.server = server
    app.add_middleware(
        Gate, limits=server.limits, metrics=server.metrics, api_key=api_key, hosts=hosts
    )
    _add_routes(app, server)
    _add_errors(app, server)
    return app


def _add_routes(app: FastAPI, server: Server) -> None:
    @app.get("/health")
    async def health() -> dict:
        return {"status": "ok"}

    @app.get("/metrics", dependencies=KEY, response_class=Response, responses=PLAIN)
    async def metrics() -> Response:
        return Response(server.metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/v1/models", dependencies=KEY)
    async def models() -> dict:
        return {"object": "list", "data": [server.card()]}

    @app.get("/v1/models/{name}", dependencies=KEY)
    async def model(name: str) -> dict:
        server.check_model(name)
        return server.card()

    answer = {"dependencies": KEY, "response_class": Response, "responses": ANSWER}

    @app.post("/v1/chat/completions", **answer)
    async def chat(http: Request, request: ChatRequest) -> Response:
        server.check_model(request.model)
        check_turns(request.messages)
        messages = [{"role": m.role, "content": m.text} for m in request.messages]
        prompt = server.engine.chat_prompt(messages)
        sampling = server.sampling(request, prompt, "messages")
        return await server.respond(http, request, prompt, sampling)

    @app.post("/v1/completions", **answer)
    async def complete(http: Request, request: CompletionRequest) -> Response:
        server.check_model(request.model)
        prompt = server.engine.text_prompt(request.prompt)
        sampling = server.sampling(request, prompt, "prompt")
        return await server.respond(http, request, prompt, sampling)


def _add_errors(app: FastAPI, server: Server) -> None:
    """Every error leaves in OpenAI's shape, and none shows the server's insides."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        server.metrics.refusals.labels(refusal.code).inc()
        return JSONResponse(refusal.body(), refusal.status, refusal.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return await refused(request, refusal_of(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        message = f"{request.method} {request.url.path}: {error.detail}."
        code = CODES.get(error.status_code, "http_error")
        refusal = Refusal(error.status_code, message, code=code, headers=dict(error.headers or {}))
        return await refused(request, refusal)

    @app.exception_handler(Exception)
    async def crashed(request: Request, _: Exception) -> JSONResponse:
        return await refused(request, CRASH)
