"""`/openapi.json` and the server say the same about any body, and no body is a fault of ours.

The document is the oracle: bodies are drawn from it, then spoilt in one or two places.
"""

import json
from copy import deepcopy
from urllib.parse import quote

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from course_lib.data.tokenization.voices import CourseVoice
from course_lib.deployment.app import SERVED_MODEL_NAME, create_app
from course_lib.deployment.engine import Engine
from course_lib.deployment.protocol import Limits

PATHS = ("/v1/chat/completions", "/v1/completions")
# What a schema can't say; every other valid body is answered.
UNSAID = ("turns alternate", "must be the user's", "surrogate", "tokens", "is not here", "differ")


@pytest.fixture(scope="module")
def client(model, tokenizer):
    app = create_app(
        Engine(model, CourseVoice(tokenizer)), limits=Limits(max_tokens=3, prompt_tokens=60)
    )
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def schema_of(document, path):
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return body["schema"] | {"components": document["components"]}


TEXTS = st.text(st.characters(codec=None, categories=None), max_size=12) | st.sampled_from(
    ["\x00", "\ud83d", "a\udc00", "<|end|>", "é" * 20, "Where does Baben live?"]
)
NUMBERS = st.sampled_from([0, -0.0, 1, 1.0, 5.0, 0.5, 2, 2.5, -1, 1e308, 10**400, 2**63, -(2**63)])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def drawn(schema, root):
    """A strategy for values that fit the part of JSON Schema that the document uses."""
    if "$ref" in schema:
        return drawn(root["components"]["schemas"][schema["$ref"].split("/")[-1]], root)
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return st.one_of([drawn(one, root) for one in schema[union]])
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    match schema["type"]:
        case "object":
            needed = schema.get("required", [])
            parts = {name: drawn(part, root) for name, part in schema["properties"].items()}
            if "model" in parts:
                parts["model"] = st.just(SERVED_MODEL_NAME)
            optional = {name: part for name, part in parts.items() if name not in needed}
            return st.fixed_dictionaries({name: parts[name] for name in needed}, optional=optional)
        case "array":
            most = min(schema.get("maxItems", 3), 3)
            return st.lists(
                drawn(schema["items"], root), min_size=schema.get("minItems", 0), max_size=most
            )
        case "string":
            short, long = schema.get("minLength", 0), schema.get("maxLength", 100)
            return TEXTS.filter(lambda text: short <= len(text) <= long)
        case "integer":
            return st.integers(low, min(high if high is not None else 9, 9))
        case "number":
            above = "exclusiveMinimum" in schema  # how small it may be has a test of its own
            return st.integers(int(4 * low) + above, int(4 * high)).map(lambda n: n / 4)
        case kind:
            return {"boolean": st.booleans(), "null": st.none()}[kind]


@st.composite
def spoilt(draw, bodies):
    """A body with up to two of its values, at any depth, swapped for anything, or a field added."""
    body = deepcopy(draw(bodies))
    for _ in range(draw(st.integers(0, 2))):
        here = body
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if isinstance(here, dict):
                keys.append(draw(TEXTS))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            deeper = here[key] if not isinstance(here, dict) or key in here else None
            if isinstance(deeper, dict | list) and draw(st.booleans()):
                here = deeper
                continue
            here[key] = draw(ANYTHING)
            break
    return body


@pytest.mark.parametrize("path", PATHS)
def test_the_document_and_the_server_agree(client, document, path):
    root = schema_of(document, path)
    valid = jsonschema.Draft202012Validator(root).is_valid
    seen = set()

    @settings(max_examples=250)
    @given(spoilt(drawn(root, root)))
    def agree(body):
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        answer = client.post(path, content=content, headers=headers)
        seen.add(answer.status_code)
        assert answer.status_code < 500, answer.text
        if not valid(body):
            assert answer.status_code == 400, body
        if answer.status_code != 200:
            error = answer.json()["error"]
            assert list(error) == ["message", "type", "param", "code"]
            json.dumps(error, ensure_ascii=False).encode()
            assert not valid(body) or any(why in error["message"] for why in UNSAID), error

    agree()
    assert {200, 400} <= seen


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"[" * 60_000,
        b'{"model":' * 5_000,
        b'{"temperature": NaN}',
        b'{"temperature": 1e999}',
        b'{"seed": ' + b"9" * 5_000 + b"}",
        b'"\xed\xa0\xbd"',
        '{"model": "\ufeff"}'.encode("utf-16"),
        b"\xff\xfe\x00\xd8",
    ],
    ids=range(10),
)
def test_bodies_that_are_no_request(client, path, content):
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@given(
    temperature=st.floats(0, 2) | st.sampled_from([5e-324, 1e-39, 1e-38, 1e-9]),
    top_p=st.floats(0, 1, exclude_min=True) | st.sampled_from([5e-324, 1e-39, 1e-9]),
    seed=st.integers(-(2**63), 2**63 - 1),
)
def test_every_temperature_top_p_and_seed_that_is_allowed_is_answered(
    client, temperature, top_p, seed
):
    body = {"model": SERVED_MODEL_NAME, "prompt": "Baben", "max_tokens": 2}
    body |= {"temperature": temperature, "top_p": top_p, "seed": seed}
    answer = client.post(PATHS[1], json=body)
    assert answer.status_code == 200, answer.text


def test_another_content_type_is_told_what_is_expected(client):
    answer = client.post(PATHS[0], content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert "application/json" in answer.json()["error"]["message"]


@given(name=st.text(st.characters(codec="utf-8"), max_size=20))
def test_no_path_is_a_fault_of_ours(client, name):
    answer = client.get(f"/v1/models/{quote(name, safe='')}")
    assert answer.status_code in (200, 404)
    assert client.post(f"/{quote(name, safe='')}").status_code in (404, 405)


def test_every_route_and_its_errors_are_described(client, document):
    jsonschema.Draft202012Validator.check_schema(schema_of(document, PATHS[0]))
    assert set(document["paths"]) == {
        "/health",
        "/metrics",
        "/v1/models",
        "/v1/models/{name}",
        *PATHS,
    }
    error = {"$ref": "#/components/schemas/ErrorBody"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            responses = operation["responses"]
            assert set(responses) == {"200", "4XX", "5XX"}, (path, method)
            for status in ("4XX", "5XX"):
                assert responses[status]["content"]["application/json"]["schema"] == error
            assert ("security" in operation) == (path != "/health")
