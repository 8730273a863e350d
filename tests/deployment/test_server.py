"""The server as its clients see it: the official `openai` client, and bad manners over raw HTTP."""

import dataclasses
import json
import re
import socket
import threading
import time

import httpx
import openai
import pytest
import uvicorn
from starlette.testclient import TestClient

from course_lib.data.tokenization.voices import CourseVoice
from course_lib.deployment.app import SERVED_MODEL_NAME, create_app
from course_lib.deployment.engine import Engine, Sampling
from course_lib.deployment.protocol import Limits
from course_lib.deployment.server import check_address, is_loopback, running, serve

KEY = "secret"
ASK = [{"role": "user", "content": "Where does Baben live?"}]
LIMITS = Limits(body_bytes=4_096, prompt_tokens=64, max_tokens=60, running=1, waiting=1)


class SlowEngine(Engine):
    """Waits before each token while `slow` is set, so that a test can look at a busy server.

    BUSY is slow enough that a whole answer of 60 tokens takes longer than any test waits.
    """

    slow, BUSY = 0.0, 0.5

    def tokens(self, prompt, sampling):
        for token in super().tokens(prompt, sampling):
            time.sleep(self.slow)
            yield token


@pytest.fixture(scope="module")
def engine(model, tokenizer):
    return SlowEngine(model, CourseVoice(tokenizer))


@pytest.fixture(scope="module")
def url(engine):
    with running(create_app(engine, limits=LIMITS, api_key=KEY)) as url:
        yield url


@pytest.fixture
def client(url):
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


def chat(client, **fields):
    return client.chat.completions.create(**{"model": SERVED_MODEL_NAME, "messages": ASK} | fields)


def metric(url, line):
    text = httpx.get(url.removesuffix("/v1") + "/metrics", headers=headers()).text
    found = [row.split()[-1] for row in text.splitlines() if row.startswith(line)]
    return float(found[0]) if found else 0.0


def headers(**more):
    return {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"} | more


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def test_whole_answer_is_the_engines(client, engine):
    prompt = engine.chat_prompt(ASK)
    answer = chat(client, max_tokens=20)
    assert answer.choices[0].message.content == engine.answer(prompt, Sampling(max_tokens=20))
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.prompt_tokens == len(prompt)
    assert answer.usage.completion_tokens == 20
    assert answer.usage.total_tokens == len(prompt) + 20


def test_stream_joins_to_the_whole_answer(client):
    whole = chat(client, max_tokens=30)
    chunks = list(chat(client, max_tokens=30, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({c.id for c in chunks}) == 1


def test_completions_stream_and_whole_agree(client):
    fields = {"model": SERVED_MODEL_NAME, "prompt": "Baben lives", "max_tokens": 12}
    whole = client.completions.create(**fields).choices[0]
    stream = client.completions.create(**fields, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == whole.text
    assert whole.finish_reason == "length"


def test_stop_strings_end_the_answer_before_them(client):
    text = chat(client, max_tokens=40).choices[0].message.content
    stop = text[5:7]
    answer = chat(client, max_tokens=40, stop=[stop, "never so"]).choices[0]
    assert answer.message.content == text.split(stop)[0]
    assert answer.finish_reason == "stop"
    stream = chat(client, max_tokens=40, stop=stop, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in stream) == text.split(stop)[0]


def test_seed_repeats_a_sampled_answer(client):
    texts = [
        chat(client, max_tokens=25, temperature=1.0, top_p=0.95, seed=seed)
        .choices[0]
        .message.content
        for seed in (5, 5, 6)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_text_parts_are_joined(client):
    parts = [{"type": "text", "text": "Where does "}, {"type": "text", "text": "Baben live?"}]
    ours = chat(client, messages=[{"role": "user", "content": parts}], max_tokens=9)
    assert ours.choices[0].message.content == chat(client, max_tokens=9).choices[0].message.content


def test_values_that_change_nothing_change_nothing(client):
    plain = chat(client, max_tokens=9)
    neutral = chat(
        client,
        max_tokens=9,
        temperature=None,
        stop=None,
        stream=False,
        logprobs=False,
        response_format={"type": "text"},
        tool_choice="none",
        logit_bias={},
        store=False,
        extra_body={"tools": None, "metadata": None},
    )
    assert neutral.choices == plain.choices
    again = [*ASK, plain.choices[0].message, {"role": "user", "content": "Who?"}]
    assert chat(client, messages=again, max_tokens=1).usage.completion_tokens == 1


def test_half_of_a_surrogate_pair_is_a_400_by_name(url):
    for path, field, value in [
        ("chat/completions", "messages", [{"role": "user", "content": "\ud83d"}]),
        ("completions", "prompt", "\ud83d"),
    ]:
        body = json.dumps({"model": SERVED_MODEL_NAME, field: value})
        answer = httpx.post(f"{url}/{path}", content=body, headers=headers())
        assert answer.status_code == 400
        assert answer.json()["error"]["param"].startswith(field)
        assert "surrogate" in answer.json()["error"]["message"]


def test_models(client):
    assert [m.id for m in client.models.list()] == [SERVED_MODEL_NAME]
    assert client.models.retrieve(SERVED_MODEL_NAME).id == SERVED_MODEL_NAME
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


BAD = [
    ({"tools": []}, 400, "unsupported_parameter", "tools"),
    ({"n": 2}, 400, "invalid_value", "n"),
    ({"temperature": 2.5}, 400, "invalid_value", "temperature"),
    ({"top_p": 0}, 400, "invalid_value", "top_p"),
    ({"stop": ["a"] * 5}, 400, "invalid_value", "stop"),
    ({"stop": ""}, 400, "invalid_value", "stop"),
    ({"max_tokens": 0}, 400, "invalid_value", "max_tokens"),
    ({"max_tokens": 61}, 400, "context_length_exceeded", "max_tokens"),
    ({"messages": []}, 400, "invalid_value", "messages"),
    ({"messages": [{"role": "system", "content": "x"}]}, 400, "invalid_value", "messages[0].role"),
    ({"messages": ASK + ASK}, 400, "invalid_value", "messages[1].role"),
    (
        {"messages": [*ASK, {"role": "assistant", "content": "x"}]},
        400,
        "invalid_value",
        "messages[1].role",
    ),
    (
        {"messages": [{"role": "user", "content": "x" * 300}]},
        400,
        "context_length_exceeded",
        "messages",
    ),
    ({"model": "gpt-5"}, 404, "model_not_found", "model"),
]


@pytest.mark.parametrize("fields, status, code, param", BAD)
def test_bad_requests_name_the_field(url, fields, status, code, param):
    body = {"model": SERVED_MODEL_NAME, "messages": ASK} | fields
    answer = httpx.post(f"{url}/chat/completions", json=body, headers=headers())
    error = answer.json()["error"]
    assert answer.status_code == status
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == "invalid_request_error"
    assert error["message"]


@pytest.mark.parametrize(
    "content, status, code",
    [
        (b"{", 400, "invalid_json"),
        (b"[" * 4_000, 400, None),
        (b"null", 400, "invalid_value"),
        (b'{"model": "\xff"}', 400, None),
        (b"x" * 5_000, 413, "body_too_large"),
    ],
    ids=["a cut object", "4,000 lists", "null", "no UTF-8", "too large"],
)
def test_bad_bodies(url, content, status, code):
    answer = httpx.post(f"{url}/chat/completions", content=content, headers=headers())
    assert answer.status_code == status
    assert code in (None, answer.json()["error"]["code"])


def test_body_without_a_length_is_cut_off(url):
    def endless():
        for _ in range(1000):
            yield b" " * 1000

    try:
        answer = httpx.post(f"{url}/chat/completions", content=endless(), headers=headers())
        assert answer.status_code == 413
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        pass  # the server may hang up while we still write
    wait_until(lambda: metric(url, 'course_refusals_total{code="body_too_large"}') >= 1)


def test_key_is_needed_everywhere_but_for_health(url):
    root = url.removesuffix("/v1")
    for path in ("/v1/models", "/v1/chat/completions", "/metrics", "/nowhere"):
        for value in ("", "Bearer wrong", KEY, f"Basic {KEY}", "Bearer", f"Bearer{KEY}"):
            wrong = {"Authorization": value} if value else {}
            answer = httpx.request("GET", root + path, headers=wrong)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"
    assert httpx.get(root + "/health").json() == {"status": "ok"}


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Bearer  "])
def test_the_scheme_of_a_key_may_be_written_in_any_case(url, scheme):
    answer = httpx.get(f"{url}/models", headers={"Authorization": scheme + KEY})
    assert answer.status_code == 200


def test_foreign_host_names_are_refused(url):
    answer = httpx.get(f"{url}/models", headers=headers(host="evil.example:80"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_host")
    for known in ("localhost:1", "LOCALHOST", "LocalHost:80", "127.0.0.1", "[::1]:8000"):
        assert httpx.get(f"{url}/models", headers=headers(host=known)).status_code == 200


def test_unknown_paths_and_methods(url):
    assert httpx.get(f"{url}/nope", headers=headers()).json()["error"]["code"] == "unknown_url"
    answer = httpx.put(f"{url}/models", headers=headers())
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_no_documentation_page_that_asks_the_network(url):
    for path in ("/docs", "/redoc"):
        assert httpx.get(url.removesuffix("/v1") + path, headers=headers()).status_code == 404


def test_the_interface_is_described(url):
    address = url.removesuffix("/v1") + "/openapi.json"
    assert httpx.get(address).status_code == 401
    paths = httpx.get(address, headers=headers()).json()["paths"]
    assert {"/v1/chat/completions", "/v1/completions", "/v1/models", "/metrics"} <= set(paths)


def test_a_full_line_says_429_and_recovers(url, client, engine):
    engine.slow = engine.BUSY
    try:
        streams = [
            threading.Thread(target=lambda: list(chat(_client(url), stream=True))) for _ in range(2)
        ]
        for thread in streams:
            thread.start()
        wait_until(lambda: metric(url, "course_waiting ") == 1)
        with pytest.raises(openai.RateLimitError) as refused:
            chat(client, max_tokens=1)
        assert refused.value.code == "server_busy"
        assert refused.value.response.headers["retry-after"] == "1"
    finally:
        engine.slow = 0.0
        for thread in streams:
            thread.join(60)
    assert chat(client, max_tokens=1).usage.completion_tokens == 1
    assert metric(url, "course_running ") == 0


def _client(url):
    return openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=30)


def test_a_reader_who_leaves_frees_the_place(url, client, engine):
    engine.slow = engine.BUSY
    try:
        stream = chat(client, stream=True)
        next(iter(stream))
        assert metric(url, "course_running ") == 1
        stream.close()
        wait_until(lambda: metric(url, "course_running ") == 0)
    finally:
        engine.slow = 0.0


def test_a_reader_who_leaves_a_whole_answer_frees_the_place(url, engine):
    engine.slow = engine.BUSY
    body = {"model": SERVED_MODEL_NAME, "messages": ASK}
    patience = httpx.Timeout(60, read=0.5)
    try:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/chat/completions", json=body, headers=headers(), timeout=patience)
        wait_until(lambda: metric(url, "course_running ") == 0)
    finally:
        engine.slow = 0.0


def test_an_answer_that_takes_too_long_is_cut(engine):
    limits = Limits(seconds=2.0, max_tokens=60)
    engine.slow = 0.2
    try:
        with running(create_app(engine, limits=limits)) as url, _client(url) as client:
            answer = chat(client)
            assert answer.choices[0].finish_reason == "length"
            assert 0 < answer.usage.completion_tokens <= 10
    finally:
        engine.slow = 0.0


def test_crashes_stay_inside(engine, monkeypatch):
    def broken(self, prompt, sampling):
        raise RuntimeError("path /secret/weights")
        yield

    monkeypatch.setattr(SlowEngine, "tokens", broken)
    with running(create_app(engine)) as url:
        answer = httpx.post(
            f"{url}/chat/completions", json={"model": SERVED_MODEL_NAME, "messages": ASK}
        )
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "server_error"
        assert "secret" not in answer.text
        assert metric(url, "course_running ") == 0
        line = 'course_requests_total{endpoint="/v1/chat/completions",status="500"}'
        assert metric(url, line) == 1
        assert metric(url, 'course_refusals_total{code="internal_error"}') == 1


def test_a_crash_in_the_middle_of_a_stream_is_told(engine, monkeypatch):
    def broken(self, prompt, sampling):
        yield from super(SlowEngine, self).tokens(
            prompt, dataclasses.replace(sampling, max_tokens=2)
        )
        raise RuntimeError("path /secret/weights")

    monkeypatch.setattr(SlowEngine, "tokens", broken)
    with running(create_app(engine)) as url, _client(url) as client:
        with pytest.raises(openai.APIError, match="failed to answer"):
            list(chat(client, stream=True))
        wait_until(lambda: metric(url, 'course_refusals_total{code="internal_error"}') == 1)


def test_the_time_in_line_is_part_of_the_latency(engine, monkeypatch):
    """One place, two readers: what the first one waits for, the second one waits for, too."""
    go, seconds = threading.Event(), 0.5

    def held(self, prompt, sampling):
        go.wait(60)
        yield from Engine.tokens(self, prompt, sampling)

    monkeypatch.setattr(SlowEngine, "tokens", held)
    with running(create_app(engine, limits=Limits(running=1, waiting=1))) as url:
        readers = [
            threading.Thread(target=lambda: list(chat(_client(url), stream=True, max_tokens=2)))
            for _ in range(2)
        ]
        for reader in readers:
            reader.start()
        wait_until(lambda: metric(url, "course_waiting ") == 1)
        time.sleep(seconds)
        go.set()
        for reader in readers:
            reader.join(60)
        wait_until(lambda: metric(url, "course_request_seconds_count") == 2)
        for name in ("first_token", "request"):
            assert metric(url, f"course_{name}_seconds_sum") > 2 * seconds


def test_metrics_count_tokens(url, client):
    before = metric(url, 'course_tokens_total{kind="completion"}')
    chat(client, max_tokens=7)
    wait_until(lambda: metric(url, 'course_tokens_total{kind="completion"}') == before + 7)
    assert metric(url, "course_first_token_seconds_count") >= 1


def test_events_are_lines_of_json_and_end_with_done(url):
    body = {"model": SERVED_MODEL_NAME, "messages": ASK, "stream": True, "max_tokens": 3}
    answer = httpx.post(f"{url}/chat/completions", json=body, headers=headers())
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(
        json.loads(e.removeprefix("data: "))["object"] == "chat.completion.chunk"
        for e in events[:-1]
    )


def test_the_port_is_free_after_the_block(engine):
    with running(create_app(engine)) as url:
        port = int(url.split(":")[-1].split("/")[0])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_public_address_needs_a_key(model, tokenizer):
    with pytest.raises(ValueError, match="0.0.0.0"):
        serve(model, CourseVoice(tokenizer), host="0.0.0.0")
    assert is_loopback("::1") and is_loopback("LocalHost") and not is_loopback("example.org")


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_that_is_none_is_named(model, tokenizer, port):
    with pytest.raises(ValueError, match=f"port is {port}, expected 1 to 65535"):
        serve(model, CourseVoice(tokenizer), port=port)


@pytest.mark.parametrize("key", ["", " ", "two words", "schl\u00fcssel", "line\n"])
def test_a_key_that_no_header_can_carry_is_refused(key):
    with pytest.raises(ValueError, match="API key"):
        check_address("127.0.0.1", 0, key)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 300, "192.0.2.1"])
def test_a_host_that_is_not_ours_is_named(host):
    with pytest.raises(OSError, match=f"cannot listen on host='{host}', port=0: "):
        check_address(host, 0, KEY)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_the_address_is_printed_once_it_answers(engine, monkeypatch, capsys, host):
    """Whoever reads the line can connect, and is known by the name in it."""
    asked = {}

    def run(server, sockets):
        url = re.search(r"http://\S+", capsys.readouterr().out)[0]
        asked["url"] = url
        asked["port"] = sockets[0].getsockname()[1]
        socket.create_connection(sockets[0].getsockname()[:2], timeout=5).close()
        with TestClient(server.config.app, base_url=url) as client:
            asked["status"] = client.get("/models").status_code

    monkeypatch.setattr(uvicorn.Server, "run", run)
    serve(engine.model, engine.voice, host=host, port=0)
    assert asked["status"] == 200
    assert asked["url"].endswith(f":{asked['port']}/v1")


def test_a_port_that_is_taken_is_said_and_no_address_printed(engine, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port={port}: Address already in use"):
            serve(engine.model, engine.voice, port=port)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("field, value", [("running", 0), ("waiting", -1), ("seconds", 0.0)])
def test_limits_are_checked(field, value):
    with pytest.raises(ValueError, match=f"Limits.{field} must be"):
        Limits(**{field: value})
