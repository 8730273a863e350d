"""Bad manners, slow clients and whatever fits or doesn't fit the published description."""

import json
import socket
import time

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from course_lib.deployment.app import SERVED_MODEL_NAME, create_app
from course_lib.deployment.engine import Engine
from course_lib.deployment.patience import PatientProtocol
from course_lib.deployment.protocol import Limits
from course_lib.deployment.server import listening, running, serve

ASK = [{"role": "user", "content": "Where?"}]
CHAT = {"model": SERVED_MODEL_NAME, "messages": ASK, "max_tokens": 1}
TEXT = {"model": SERVED_MODEL_NAME, "prompt": "Where", "max_tokens": 1}
LIMITS = Limits(body_bytes=4_096, prompt_tokens=64, max_tokens=60, running=1, read_seconds=0.3)


class FaultyEngine(Engine):
    """Fails, or waits before each token, where a test says so."""

    fault, slow = False, 0.0

    def tokens(self, prompt, sampling):
        if self.fault:
            raise RuntimeError("a fault of ours")
        for token in super().tokens(prompt, sampling):
            time.sleep(self.slow)
            yield token


@pytest.fixture(scope="module")
def engine(model, tokenizer):
    return FaultyEngine(model, tokenizer)


@pytest.fixture(scope="module")
def url(engine):
    with running(create_app(engine, limits=LIMITS)) as url:
        yield url.removesuffix("/v1")


def post(url: str, body: dict | bytes, path: str = "chat/completions", **headers) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | headers
    return httpx.post(f"{url}/v1/{path}", content=content, headers=headers, timeout=30)


def metrics(url: str) -> dict[str, float]:
    rows = httpx.get(f"{url}/metrics").text.splitlines()
    return {row.rpartition(" ")[0]: float(row.rpartition(" ")[2]) for row in rows if row[0] != "#"}


NEUTRAL = {
    "temperature": None,
    "top_p": None,
    "n": None,
    "stop": None,
    "stream": None,
    "user": None,
    "stream_options": None,
    "logprobs": False,
    "top_logprobs": None,
    "response_format": {"type": "text"},
    "tools": [],
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "logit_bias": {},
    "metadata": {},
    "store": False,
    "modalities": ["text"],
    "service_tier": "auto",
    "presence_penalty": 0,
    "frequency_penalty": 0.0,
}


@pytest.mark.parametrize("field", NEUTRAL)
def test_what_changes_nothing_is_accepted(url, field):
    plain = post(url, CHAT).json()["choices"]
    answer = post(url, CHAT | {field: NEUTRAL[field]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"] == plain


def test_all_of_it_at_once(url):
    assert post(url, CHAT | NEUTRAL).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logprobs", True),
        ("response_format", {"type": "json_object"}),
        ("tools", [{"type": "function"}]),
        ("tool_choice", "required"),
        ("logit_bias", {"5": 10}),
        ("store", True),
        ("modalities", ["audio"]),
    ],
)
def test_what_would_change_something_is_refused_by_name(url, field, value):
    error = post(url, CHAT | {field: value}).json()["error"]
    assert error["code"] == "unsupported_parameter" and field in error["message"]


def test_an_image_is_refused_by_name(url):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = post(url, CHAT | {"messages": [{"role": "user", "content": [part]}]})
    assert answer.status_code == 400 and "image_url" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (
            "chat/completions",
            CHAT | {"messages": [{"role": "user", "content": "\ud83d"}]},
            "messages",
        ),
        ("chat/completions", CHAT | {"stop": "\ud83d"}, "stop"),
        ("chat/completions", CHAT | {"user": "\ud83d"}, "user"),
        ("chat/completions", CHAT | {"\ud83d": 1}, ""),
        ("chat/completions", CHAT | {"model": "\ud83d"}, "model"),
        ("completions", TEXT | {"prompt": "a\udfff"}, "prompt"),
    ],
)
def test_half_a_character_is_no_text(url, path, body, param):
    answer = post(url, body, path)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"].startswith(param) and (
        "surrogate" in answer.text or "ud83d" in answer.text
    )


@pytest.mark.parametrize("temperature", [1e-39, 1e-320, 5e-324, 0])
def test_temperatures_near_0_are_answered(url, temperature):
    assert post(url, CHAT | {"temperature": temperature, "top_p": 0.9}).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_name_of_the_scheme_and_of_the_host_have_no_case(engine, scheme):
    with running(create_app(engine, api_key="k")) as address:
        headers = {"Authorization": f"{scheme} k", "Host": "LOCALHOST"}
        assert httpx.get(f"{address}/models", headers=headers).status_code == 200
        headers["Authorization"] = "Basic k"
        assert httpx.get(f"{address}/models", headers=headers).status_code == 401


def test_a_fault_of_ours_is_counted_and_shows_no_insides(url, engine):
    row = 'course_requests_total{endpoint="/v1/chat/completions",status="500"}'
    before = metrics(url).get(row, 0)
    engine.fault = True
    try:
        answer = post(url, CHAT)
    finally:
        engine.fault = False
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal_error"
    assert "a fault of ours" not in answer.text
    assert metrics(url)[row] == before + 1
    assert post(url, CHAT).status_code == 200


def test_time_in_line_is_waiting(url, engine):
    """Three readers at a server that writes one answer at a time: the last waits for the others."""
    from concurrent.futures import ThreadPoolExecutor

    post(url, CHAT)
    before = metrics(url)
    engine.slow = 0.05
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: post(url, CHAT | {"max_tokens": 4}), range(3)))
    finally:
        engine.slow = 0.0
    after = metrics(url)
    for name, least in (("first_token", 0.05 + 0.25 + 0.45), ("request", 0.2 + 0.4 + 0.6)):
        total = f"course_{name}_seconds_sum"
        assert after[total] - before[total] > 0.95 * least


def test_a_body_that_does_not_come(url):
    host, port = url.removeprefix("http://").split(":")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head)
        assert b"408" in line.recv(4096)


def test_heads_that_do_not_end_are_hung_up_on(engine, monkeypatch):
    monkeypatch.setattr(PatientProtocol, "head_seconds", 0.3)
    with running(create_app(engine)) as address:
        host, port = address.removeprefix("http://").removesuffix("/v1").split(":")
        lines = [socket.create_connection((host, int(port)), timeout=20) for _ in range(50)]
        for line in lines:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
        assert httpx.get(f"http://{host}:{port}/health").status_code == 200
        assert all(line.recv(100) == b"" for line in lines)  # closed, after its time
        for line in lines:
            line.close()


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_ports_that_are_none(model, tokenizer, port, capsys):
    with pytest.raises(ValueError, match=f"port={port}"):
        serve(model, tokenizer, port=port)
    assert capsys.readouterr().out == ""


def test_a_port_in_use_is_named_and_no_address_is_printed(model, tokenizer, capsys):
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port} can't be had"):
            serve(model, tokenizer, port=port)
    assert capsys.readouterr().out == ""


# The published description as the oracle: what fits it isn't a wrong value, what doesn't fit is.
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\x00", "\ud83d", "text", "none", "auto", "user", 1e308, -1, 0, 2**64, ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=5,
)
FIELDS = st.sampled_from([*NEUTRAL, "model", "messages", "prompt", "max_tokens", "seed", "x"])
PATHS = st.sampled_from(["chat/completions", "completions"])
STATUSES = {200, 400, 404, 413, 429}


@pytest.fixture(scope="module")
def described(url):
    api = httpx.get(f"{url}/openapi.json").json()
    assert {"/v1/chat/completions", "/v1/completions", "/v1/models"} <= api["paths"].keys()

    def check(kind: str) -> Draft202012Validator:
        return Draft202012Validator({"$ref": f"#/components/schemas/{kind}", **api})

    return {"chat/completions": check("ChatRequest"), "completions": check("CompletionRequest")}


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(FIELDS, ODD, max_size=3), PATHS)
def test_whatever_is_sent_is_answered_as_described(url, described, odd, path):
    body = (CHAT if path.startswith("chat") else TEXT) | odd
    answer = post(url, body, path)
    assert answer.status_code in STATUSES, answer.text
    if answer.status_code != 200:
        assert {"message", "type", "param", "code"} == answer.json()["error"].keys()
    try:
        sent = json.loads(json.dumps(body, allow_nan=False))
    except ValueError:
        assert answer.status_code == 400  # NaN is no JSON
        return
    if not described[path].is_valid(sent):
        assert answer.status_code == 400


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=40) | st.text('{}[]",:0123456789', max_size=40).map(str.encode))
def test_bodies_that_are_no_json(url, body):
    assert post(url, body).status_code == 400


@pytest.mark.parametrize(
    "body", [b"[" * 3_000, b'{"a":' * 600, b"1" * 4_000, b'{"seed":' + b"9" * 4_000 + b"}"]
)
def test_deep_and_long_bodies(url, body):
    assert post(url, body).status_code == 400
