"""Clients that say half of what they want, and those who must not wait for them."""

import json
import socket

import httpx
import pytest

from course_lib.data.tokenization.voices import CourseVoice
from course_lib.deployment.app import SERVED_MODEL_NAME, create_app
from course_lib.deployment.engine import Engine
from course_lib.deployment.protocol import Limits
from course_lib.deployment.server import running

HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)
QUICK = Limits(header_seconds=0.3, body_seconds=0.3, connections=4)
PATIENT = Limits(header_seconds=600, body_seconds=600, connections=4)


@pytest.fixture(scope="module")
def engine(model, tokenizer):
    return Engine(model, CourseVoice(tokenizer))


def connect(url):
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def answer(connection):
    """Status and error of what the server says before it hangs up."""
    raw = b""
    while data := connection.recv(65_536):
        raw += data
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    error = json.loads(body)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    return int(head.split()[1]), error["code"]


HALVES = {
    "nothing": b"",
    "a word": b"PO",
    "half of the headers": HEAD,
    "half of the body": HEAD + b"Content-Length: 500\r\n\r\n{",
    "an open chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_half_a_request_ends_with_408(engine, half):
    with running(create_app(engine, limits=QUICK)) as url, connect(url) as client:
        client.sendall(half)
        assert answer(client) == (408, "request_timeout")
        root = url.removesuffix("/v1")
        text = httpx.get(f"{root}/metrics").text
        assert 'course_refusals_total{code="request_timeout"} 1.0' in text
        assert 'status="408"} 1.0' in text


def test_a_second_request_on_a_connection_has_its_own_clock(engine):
    with running(create_app(engine, limits=QUICK)) as url, connect(url) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(HEAD)
        assert answer(client) == (408, "request_timeout")


@pytest.mark.parametrize("half", ["half of the headers", "half of the body"])
def test_those_who_stall_make_room_for_others(engine, half):
    """Twice as many as there are places, and none of them is waited for."""
    with running(create_app(engine, limits=PATIENT)) as url:
        stalled = [connect(url) for _ in range(8)]
        try:
            for client in stalled:
                client.sendall(HALVES[half])
            body = {"model": SERVED_MODEL_NAME, "prompt": "Baben", "max_tokens": 2}
            for _ in range(3):
                assert httpx.post(f"{url}/completions", json=body).status_code == 200
            assert answer(stalled[0]) == (503, "too_many_connections")
        finally:
            for client in stalled:
                client.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000,
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["words", "no host", "long header", "length", "lengths", "chunk", "TLS"],
)
def test_what_is_no_http_gets_400_in_the_same_shape(engine, raw):
    with running(create_app(engine, limits=QUICK)) as url, connect(url) as client:
        client.sendall(raw)
        assert answer(client)[0] in (400, 408)  # a beginning without an end may only time out


def test_an_upgrade_to_a_web_socket_does_not_pass_the_key(engine):
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    with running(create_app(engine, api_key="secret")) as url:
        assert httpx.get(f"{url}/models", headers=upgrade).status_code == 401
