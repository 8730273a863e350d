"""The part of OpenAI's wire format that our server speaks: requests in, objects and errors out.

A field that we do not honour is refused by name, never ignored: a client that asks for `tools`
and gets an answer without them would be wrong in silence. Fields that many clients always send
are accepted at the value that changes nothing (`n: 1`, `tool_choice: "none"`), and so is null.
"""

import re
import time
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from course_lib.data.sources.unsafe_text import FLAWS


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request, and all requests together, may ask of this machine."""

    body_bytes: int = 65_536
    prompt_tokens: int = 256
    max_tokens: int = 256
    running: int = 2
    waiting: int = 8
    seconds: float = 60.0  # of an answer
    read_seconds: float = 20.0  # of a request's body

    def __post_init__(self) -> None:
        for name in (
            "body_bytes",
            "prompt_tokens",
            "max_tokens",
            "running",
            "seconds",
            "read_seconds",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"Limits.{name} must be positive, got {getattr(self, name)}")
        if self.waiting < 0:
            raise ValueError(f"Limits.waiting must be 0 or more, got {self.waiting}")


ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "code": {"type": "string"},
            },
        }
    },
}


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
        def plain(text: str | None) -> str | None:  # the client's words, which may be no UTF-8
            return text and text.encode("utf-8", "backslashreplace").decode()

        return {
            "error": {
                "message": plain(self.message),
                "type": self.kind,
                "param": plain(self.param),
                "code": self.code,
            }
        }


def _encodable(text: str) -> str:
    """Half a character (a lone surrogate, as "\\ud83d" in JSON) is no text: UTF-8 can't hold it."""
    if flaw := FLAWS["lone surrogate"].search(text):
        raise ValueError(f"a lone surrogate U+{ord(flaw[0]):04X} at character {flaw.start()}")
    return text


Text = Annotated[str, AfterValidator(_encodable)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(_Strict):
    type: Literal["text"]
    text: Text

    @field_validator("type", mode="before")
    @classmethod
    def _text_alone(cls, kind: Any) -> Any:
        if kind != "text":
            raise ValueError(f"this server reads text alone, no part of type {kind!r}")
        return kind


class Message(_Strict):
    role: Literal["user", "assistant"]
    content: Text | list[TextPart]
    name: Text | None = None

    @property
    def text(self) -> str:
        parts = self.content
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


class StreamOptions(_Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class TextFormat(_Strict):
    type: Literal["text"]


Stop = Annotated[Text, Field(min_length=1, max_length=64)]
Empty = Annotated[dict[str, Any], Field(max_length=0)]


class _Sampling(_Strict):
    model: Text
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Text | None = None
    # What changes nothing, for clients that always send it.
    n: Literal[1] | None = None
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    logit_bias: Empty | None = None
    metadata: Empty | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class ChatRequest(_Sampling):
    messages: list[Message] = Field(min_length=1, max_length=64)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: Literal[False] | None = None
    top_logprobs: None = None
    response_format: TextFormat | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    tool_choice: Literal["none"] | None = None
    parallel_tool_calls: bool | None = None
    modalities: Annotated[list[Literal["text"]], Field(min_length=1, max_length=1)] | None = None

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(_Sampling):
    prompt: Text
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None
    logprobs: None = None

    @property
    def token_limit(self) -> int | None:
        return self.max_tokens


# Fields that are known, so that the value that changes nothing passes, and are not honoured.
UNSUPPORTED = frozenset({"tools", "tool_choice", "logprobs", "top_logprobs", "response_format"}) | {
    *("logit_bias", "metadata", "store", "service_tier", "modalities", "suffix", "best_of", "echo")
}


def refusal_of(error: dict[str, Any]) -> Refusal:
    """One of pydantic's validation errors as a 400 that names the field."""
    # pydantic also names the branch of a union ("str", "list[…]"), which is no field of the client
    path = [p for p in error["loc"] if p not in ("body", "str") and not re.search(r"\[|-", str(p))]
    param = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".") or None
    if error["type"] == "extra_forbidden" or (path and path[0] in UNSUPPORTED):
        known = (
            "" if error["type"] == "extra_forbidden" else ", only the value that changes nothing"
        )
        message = f"This server does not support the field {param!r}{known}."
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
