"""The part of OpenAI's wire format that our server speaks: requests in, objects and errors out.

A field that we do not honour is refused by name, never ignored: a client that asks for `tools`
and gets an answer without them would be wrong in silence. Fields that many clients always send
are accepted at the value that changes nothing (`n: 1`, `presence_penalty: 0`).
"""

import re
import time
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request, and all requests together, may ask of this machine."""

    body_bytes: int = 65_536
    prompt_tokens: int = 256
    max_tokens: int = 256
    running: int = 2
    waiting: int = 8
    seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("body_bytes", "prompt_tokens", "max_tokens", "running", "seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Limits.{name} must be positive, got {getattr(self, name)}")
        if self.waiting < 0:
            raise ValueError(f"Limits.waiting must be 0 or more, got {self.waiting}")


class Refusal(Exception):
    """A request we will not serve, and why, in the shape of OpenAI's errors."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.kind, self.headers = kind, headers or {}

    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextPart(_Strict):
    type: Literal["text"]
    text: str


class Message(_Strict):
    role: Literal["user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    @property
    def text(self) -> str:
        parts = self.content
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


class StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


Stop = Annotated[str, Field(min_length=1, max_length=64)]


class _Sampling(_Strict):
    model: str
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: Stop | list[Stop] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    n: Literal[1] = 1
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None

    @field_validator("stop")
    @classmethod
    def _at_most_four(cls, stop: str | list[str] | None) -> str | list[str] | None:
        if isinstance(stop, list) and len(stop) > 4:
            raise ValueError(f"at most 4 stop strings are allowed, got {len(stop)}")
        return stop

    @property
    def stops(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(_Sampling):
    messages: list[Message] = Field(min_length=1, max_length=64)
    max_completion_tokens: int | None = Field(default=None, ge=1)

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(_Sampling):
    prompt: str
    echo: Literal[False] = False

    @property
    def token_limit(self) -> int | None:
        return self.max_tokens


def refusal_of(error: dict[str, Any]) -> Refusal:
    """One of pydantic's validation errors as a 400 that names the field."""
    # pydantic also names the branch of a union ("str", "list[…]"), which is no field of the client
    path = [p for p in error["loc"] if p not in ("body", "str") and not re.search(r"\[|-", str(p))]
    param = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".") or None
    if error["type"] == "extra_forbidden":
        message = f"This server does not support the field {param!r}."
        code = "unsupported_parameter"
    elif error["type"] == "json_invalid":
        message, code, param = "The body is not valid JSON.", "invalid_json", None
    else:
        message, code = f"{param or 'The body'}: {error['msg']}.", "invalid_value"
    return Refusal(400, message, code=code, param=param)


def check_turns(messages: list[Message]) -> None:
    """The chat template knows turns of user and assistant in alternation, user first and last."""
    for i, message in enumerate(messages):
        expected = "user" if i % 2 == 0 else "assistant"
        if message.role != expected:
            raise Refusal(
                400,
                f"Message {i} should have the role {expected!r}, got {message.role!r}: turns "
                "alternate, and the first one is the user's.",
                code="invalid_value",
                param=f"messages[{i}].role",
            )
    if messages[-1].role != "user":
        raise Refusal(
            400,
            "The last message must be the user's.",
            code="invalid_value",
            param=f"messages[{len(messages) - 1}].role",
        )


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


@dataclass(frozen=True)
class Envelope:
    """Builds the objects of one answer, which all share an id, a time and the model's name."""

    model: str
    chat: bool
    id: str
    created: int

    @classmethod
    def new(cls, model: str, *, chat: bool) -> "Envelope":
        prefix = "chatcmpl" if chat else "cmpl"
        return cls(model, chat, f"{prefix}-{uuid.uuid4().hex[:24]}", int(time.time()))

    def whole(self, text: str, finish: str, tokens: dict[str, int]) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        content = {"message": message} if self.chat else {"text": text}
        return self._wrap(content, finish, chunk=False) | {"usage": tokens}

    def chunk(self, text: str | None, finish: str | None, *, first: bool = False) -> dict[str, Any]:
        if not self.chat:
            return self._wrap({"text": text or ""}, finish, chunk=True)
        delta: dict[str, Any] = {"role": "assistant"} if first else {}
        if text is not None:
            delta["content"] = text
        return self._wrap({"delta": delta}, finish, chunk=True)

    def usage_chunk(self, tokens: dict[str, int]) -> dict[str, Any]:
        return self._wrap(None, None, chunk=True) | {"usage": tokens}

    def _wrap(self, content: dict | None, finish: str | None, *, chunk: bool) -> dict[str, Any]:
        kind = "chat.completion" if self.chat else "text_completion"
        choice = {"index": 0, "logprobs": None, "finish_reason": finish}
        return {
            "id": self.id,
            "object": f"{kind}.chunk" if chunk and self.chat else kind,
            "created": self.created,
            "model": self.model,
            "choices": [] if content is None else [choice | content],
        }
