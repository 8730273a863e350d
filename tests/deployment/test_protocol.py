"""What a request may say: values that change nothing are taken, all else is refused by name."""

import pytest
from openai.types import completion_create_params as text_params
from openai.types.chat import completion_create_params as chat_params
from pydantic import ValidationError

from course_lib.deployment.protocol import (
    ChatRequest,
    CompletionRequest,
    Limits,
    Message,
    Refusal,
    refusal_of,
)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
TEXT = {"model": "m", "prompt": "Hello"}
KINDS = [
    (ChatRequest, CHAT, chat_params.CompletionCreateParamsNonStreaming),
    (CompletionRequest, TEXT, text_params.CompletionCreateParamsNonStreaming),
]


def refusal(kind, body):
    with pytest.raises(ValidationError) as error:
        kind.model_validate(body)
    first = error.value.errors()[0]
    return refusal_of(first | {"loc": ("body", *first["loc"])})


@pytest.mark.parametrize("kind, body, params", KINDS, ids=["chat", "text"])
def test_every_field_of_the_official_client_is_known_and_may_be_null(kind, body, params):
    for field in set(params.__annotations__) - set(body):
        request = kind.model_validate(body | {field: None})
        assert request.model_dump() == kind.model_validate(body).model_dump(), field


NEUTRAL = [
    {"logprobs": False},
    {"top_logprobs": 0},
    {"response_format": {"type": "text"}},
    {"tool_choice": "none"},
    {"function_call": "none"},
    {"parallel_tool_calls": True},
    {"logit_bias": {}},
    {"store": False},
    {"metadata": {}},
    {"modalities": ["text"]},
    {"reasoning_effort": "none"},
    {"service_tier": "auto"},
    {"n": 1},
    {"n": 1.0},
    {"presence_penalty": 0},
    {"frequency_penalty": 0.0},
    {"stream_options": {"include_usage": None, "include_obfuscation": False}},
]


@pytest.mark.parametrize("fields", NEUTRAL, ids=str)
def test_values_that_change_nothing_are_taken(fields):
    plain, made = (ChatRequest.model_validate(body) for body in (CHAT, CHAT | fields))
    for name in ("model", "messages", "token_limit", "stops", "include_usage", "seed"):
        assert getattr(made, name) == getattr(plain, name), name


UNSUPPORTED = [
    ({"logprobs": True}, "logprobs"),
    ({"logprobs": 0}, "logprobs"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"response_format": {"type": "text", "more": 1}}, "response_format"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"logit_bias": {"1": 5}}, "logit_bias"),
    ({"logit_bias": []}, "logit_bias"),
    ({"store": True}, "store"),
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
    ({"top-k": 5}, "top-k"),
    ({"str": 5}, "str"),
]


@pytest.mark.parametrize("fields, param", UNSUPPORTED, ids=str)
def test_values_that_would_change_something_are_refused_by_name(fields, param):
    found = refusal(ChatRequest, CHAT | fields)
    assert (found.status, found.code, found.param) == (400, "unsupported_parameter", param)
    assert repr(param) in found.message


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": "5"},
        {"max_tokens": True},
        {"max_tokens": 5.5},
        {"temperature": "0.5"},
        {"temperature": True},
        {"temperature": float("nan")},
        {"n": True},
        {"n": 2},
        {"presence_penalty": False},
        {"stream": "true"},
        {"stream": 1},
        {"seed": 2**63},
        {"stop": ["a", ""]},
    ],
    ids=str,
)
def test_values_of_another_type_are_refused(fields):
    found = refusal(ChatRequest, CHAT | fields)
    assert found.code == "invalid_value" and found.param.startswith(next(iter(fields)))


def test_whole_numbers_may_be_written_with_a_point():
    assert ChatRequest.model_validate(CHAT | {"max_tokens": 5.0}).max_tokens == 5


def test_a_turn_of_the_official_client_can_be_sent_back():
    from openai.types.chat import ChatCompletionMessage

    turn = ChatCompletionMessage(role="assistant", content="Oakby.").model_dump()
    assert Message.model_validate(turn).text == "Oakby."


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "refusal"])
def test_a_part_that_is_no_text_is_refused_by_name(kind):
    parts = [{"type": "text", "text": "What is this?"}, {"type": kind, kind: {"url": "data:,"}}]
    found = refusal(ChatRequest, CHAT | {"messages": [{"role": "user", "content": parts}]})
    assert found.param == "messages[0].content[1].type"
    assert repr(kind) in found.message


HALF = "Hi \ud83d"
HALVES = [
    (ChatRequest, {"messages": [{"role": "user", "content": HALF}]}, "messages[0].content"),
    (
        ChatRequest,
        {"messages": [{"role": "user", "content": [{"type": "text", "text": HALF}]}]},
        "messages[0].content[0].text",
    ),
    (ChatRequest, {"stop": HALF}, "stop"),
    (ChatRequest, {"stop": ["a", HALF]}, "stop[1]"),
    (ChatRequest, {"user": HALF}, "user"),
    (ChatRequest, {"model": HALF}, "model"),
    (CompletionRequest, {"prompt": HALF}, "prompt"),
]


@pytest.mark.parametrize("kind, fields, param", HALVES, ids=lambda v: str(v) if v in () else None)
def test_half_of_a_surrogate_pair_is_refused_by_name(kind, fields, param):
    found = refusal(kind, (CHAT if kind is ChatRequest else TEXT) | fields)
    assert found.param == param
    found.message.encode()


@pytest.mark.parametrize("fields", [{"\ud83d": 1}, {"stream_options": {"\ud83d": 1}}], ids=[0, 1])
def test_half_of_a_pair_in_a_name_is_refused(fields):
    found = refusal(ChatRequest, CHAT | fields)
    assert found.status == 400 and "surrogate" in found.message


def test_two_limits_that_differ_are_refused():
    both = {"max_tokens": 3, "max_completion_tokens": 4}
    with pytest.raises(Refusal, match="differ"):
        _ = ChatRequest.model_validate(CHAT | both).token_limit
    same = {"max_tokens": 3, "max_completion_tokens": 3}
    assert ChatRequest.model_validate(CHAT | same).token_limit == ("max_completion_tokens", 3)


@pytest.mark.parametrize("name", ["seconds", "body_seconds", "header_seconds"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0])
def test_seconds_that_are_no_limit(name, value):
    with pytest.raises(ValueError, match=f"Limits.{name} must be positive, got {value}"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["body_bytes", "prompt_tokens", "running", "connections"])
def test_counts_that_are_no_limit(name):
    with pytest.raises(ValueError, match=f"Limits.{name} must be positive, got -1"):
        Limits(**{name: -1})
