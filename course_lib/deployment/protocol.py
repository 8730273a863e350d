"""The part of OpenAI's wire format that our server takes: requests in, refusals out.

A field that we do not honour is refused by name, never ignored: a client that asks for `tools`
and gets an answer without them would be wrong in silence. Such a field is accepted at the values
that change nothing, since many clients always send it (`only`), and so is null for every field
that may be left out. What is accepted is what `/openapi.json` says; it can't say that turns
alternate, that text is Unicode, and how many tokens fit.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request, and all requests together, may ask of this machine."""

    body_bytes: int = 65_536
    prompt_tokens: int = 256
    max_tokens: int = 256
    running: int = 2
    waiting: int = 8
    connections: int = 256  # open at once
    header_seconds: int | float = 5.0  # from the first byte of a request to the end of its headers
    body_seconds: int | float = 10.0  # from there to the end of its body
    seconds: int | float = 60.0  # for writing the answer

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name == "waiting":
                if not 0 <= value < float("inf"):
                    raise ValueError(f"Limits.waiting must be 0 or more, got {value}")
            elif not 0 < value < float("inf"):
                raise ValueError(f"Limits.{name} must be positive, got {value}")


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


def only(*values: Any) -> Any:
    """The type of a field that we don't honour: these values, which change nothing, or null."""

    def check(value: Any) -> Any:
        # in Python True == 1, in JSON it isn't
        if not any(isinstance(value, bool) == isinstance(v, bool) and value == v for v in values):
            raise PydanticCustomError("only", "", {"values": [*values, None]})
        return value

    schema = WithJsonSchema({"enum": [*values, None]})
    return Annotated[Any, AfterValidator(lambda v: v if v is None else check(v)), schema]


def _unicode(text: str) -> str:
    """Refuse half of a pair: JSON can write "\\ud83d" alone, but no character is encoded so."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start].encode("ascii", "backslashreplace").decode()
        raise PydanticCustomError("unicode", f"{half} is half of a surrogate pair") from error
    return text


Text = Annotated[str, AfterValidator(_unicode)]
# To JSON 5.0 is an integer. It stands last in an Annotated: the document loses what follows it.
WHOLE = BeforeValidator(lambda v: int(v) if isinstance(v, float) and v.is_integer() else v)
Tokens = Annotated[int, Field(ge=1), WHOLE]
Stop = Annotated[Text, Field(min_length=1, max_length=64)]


def _shape(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<text>"


def _either(one: Any, many: Any) -> Any:
    """One text, or a list: an error names what is wrong with the one that was sent."""
    return Annotated[
        Annotated[one, Tag("<text>")] | Annotated[many, Tag("<list>")], Discriminator(_shape)
    ]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _text_part(kind: Any) -> Any:
    if isinstance(kind, str) and kind != "text":
        name = _unicode(kind)[:40]
        raise PydanticCustomError("part", f"this model reads text; a part {name!r} can't be read")
    return kind


class TextPart(_Strict):
    type: Annotated[Literal["text"], BeforeValidator(_text_part)]
    text: Text


class Message(_Strict):
    """One turn; the fields that only an answer of another server fills are null, as ours has."""

    role: Literal["user", "assistant"]
    content: _either(Text, list[TextPart])
    name: Text | None = None
    refusal: only() = None
    audio: only() = None
    annotations: only([]) = None
    function_call: only() = None
    tool_calls: only() = None

    @property
    def text(self) -> str:
        parts = self.content
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


class StreamOptions(_Strict):
    include_usage: bool | None = None
    include_obfuscation: only(False) = None


class _Sampling(_Strict):
    model: Text
    max_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None  # 0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = None  # 1
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), WHOLE] | None = None
    stop: _either(Stop, Annotated[list[Stop], Field(max_length=4)]) | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Text | None = None
    n: Annotated[int, Field(ge=1, le=1), WHOLE] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: only({}) = None

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
    max_completion_tokens: Tokens | None = None
    logprobs: only(False) = None
    top_logprobs: only(0) = None
    response_format: only({"type": "text"}) = None
    modalities: only(["text"]) = None
    tools: only() = None
    tool_choice: only("none") = None
    parallel_tool_calls: bool | None = None  # there are no tools to call
    functions: only() = None
    function_call: only("none") = None
    audio: only() = None
    prediction: only() = None
    web_search_options: only() = None
    moderation: only() = None
    reasoning_effort: only("none") = None
    verbosity: only("medium") = None
    store: only(False) = None
    metadata: only({}) = None
    service_tier: only("auto", "default") = None
    safety_identifier: Text | None = None  # these two name a user and a prompt, as `user` does
    prompt_cache_key: Text | None = None
    prompt_cache_options: only() = None
    prompt_cache_retention: only() = None

    @property
    def token_limit(self) -> tuple[str, int | None]:
        """The field that says how long the answer may be, and what it says."""
        if self.max_completion_tokens is None:
            return "max_tokens", self.max_tokens
        if self.max_tokens not in (None, self.max_completion_tokens):
            message = "max_tokens and max_completion_tokens differ; send one of them."
            raise Refusal(400, message, code="invalid_value", param="max_tokens")
        return "max_completion_tokens", self.max_completion_tokens


class CompletionRequest(_Sampling):
    prompt: Text
    echo: only(False) = None
    best_of: only(1) = None
    logprobs: only() = None
    suffix: only("") = None

    @property
    def token_limit(self) -> tuple[str, int | None]:
        """The field that says how long the answer may be, and what it says."""
        return "max_tokens", self.max_tokens


def refusal_of(error: dict[str, Any]) -> Refusal:
    """One of pydantic's validation errors as a 400 that names the field."""
    path = [p for p in error["loc"][1:] if p not in ("<text>", "<list>")]
    param = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")[:200]
    param = param.encode("utf-8", "backslashreplace").decode() or None
    code, kind = "invalid_value", error["type"]
    if kind == "extra_forbidden" or (kind == "only" and error["ctx"]["values"] == [None]):
        message = f"This server does not support the field {param!r}."
        code = "unsupported_parameter"
    elif kind == "only":
        values = " or ".join(json.dumps(value) for value in error["ctx"]["values"])
        message = f"This server supports the field {param!r} only as {values}."
        code = "unsupported_parameter"
    elif kind == "json_invalid":
        message, code, param = "The body is not valid JSON.", "invalid_json", None
    elif kind == "string_unicode":
        message = f"{param or 'A name'}: half of a surrogate pair is no text."
    elif param is None:
        message = "The body should be a JSON object, sent as application/json."
    else:
        message = f"{param}: {error['msg']}."
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
