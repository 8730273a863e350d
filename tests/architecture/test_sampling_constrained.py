"""Languages by hand and against `re` and `json`; every constrained text parses."""

import json
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.decoder import ModelConfig
from course_lib.architecture.sampling.constrained import GrammarConstraint, TokenMasks
from course_lib.architecture.sampling.filters import Filters
from course_lib.architecture.sampling.generate import generate
from course_lib.architecture.sampling.grammar import (
    EMPTY,
    NOTHING,
    either,
    literal,
    one_of,
    repeat,
    then,
)
from course_lib.architecture.sampling.json_grammar import json_language
from tests.architecture.test_decoder import lively

A, B = literal("a"), literal("b")


def test_derivatives_by_hand():
    ab = then(A, repeat(B))
    assert ab.after(ord("a")) is repeat(B)
    assert repeat(B).after(ord("b")) is repeat(B)  # a loop: the same state, the same object
    assert ab.after(ord("b")) is NOTHING
    assert either(A, NOTHING, A) is A
    assert then(A, EMPTY) is A and then(A, NOTHING) is NOTHING
    assert (b"abb" in ab, b"" in ab, b"ba" in ab) == (True, False, False)
    assert (ab.shortest, NOTHING.shortest, repeat(then(A, B), 3).shortest) == (1, float("inf"), 6)


REGEXES = st.recursive(
    st.sampled_from([("a", A), ("b", B), ("[ab]", one_of(b"ab"))]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda x: (f"{x[0][0]}{x[1][0]}", then(x[0][1], x[1][1]))),
        st.tuples(inner, inner).map(
            lambda x: (f"(?:{x[0][0]}|{x[1][0]})", either(x[0][1], x[1][1]))
        ),
        st.tuples(inner, st.integers(1, 2), st.integers(0, 2)).map(
            lambda x: (f"(?:{x[0][0]}){{{x[1]},{x[1] + x[2]}}}", repeat(x[0][1], x[1], x[1] + x[2]))
        ),
    ),
    max_leaves=6,
)


@given(REGEXES, st.lists(st.text("ab", max_size=8), min_size=5, max_size=5))
def test_languages_agree_with_re(both, texts):
    pattern, language = both
    shortest = min((t for t in texts if re.fullmatch(pattern, t)), key=len, default=None)
    for text in texts:
        assert (text.encode() in language) == bool(re.fullmatch(pattern, text)), (pattern, text)
    assert shortest is None or language.shortest <= len(shortest)


STRINGS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
WITH_VALUES = st.recursive(
    st.one_of(
        st.just(({"type": "null"}, None)),
        st.booleans().map(lambda v: ({"type": "boolean"}, v)),
        st.integers().map(lambda v: ({"type": "integer"}, v)),
        st.integers(0, 12).map(lambda v: ({"type": "integer", "minimum": 0, "maximum": 12}, v)),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda v: ({"type": "number"}, v)),
        STRINGS.map(lambda v: ({"type": "string"}, v)),
        STRINGS.map(lambda v: ({"type": "string", "maxLength": 6}, v)),
        STRINGS.map(lambda v: ({"enum": [v, None, 3]}, v)),
    ),
    lambda inner: st.one_of(
        inner.map(lambda x: ({"type": "array", "items": x[0]}, [x[1], x[1]])),
        inner.map(lambda x: ({"type": "array", "items": x[0], "maxItems": 2}, [])),
        st.lists(st.tuples(STRINGS, inner), max_size=3, unique_by=lambda x: x[0]).map(
            lambda xs: (
                {"type": "object", "properties": {name: x[0] for name, x in xs}},
                {name: x[1] for name, x in xs},
            )
        ),
        inner.map(lambda x: ({"anyOf": [x[0], {"type": "null"}]}, x[1])),
    ),
    max_leaves=5,
)


@given(WITH_VALUES)
def test_what_json_writes_is_in_the_language(case):
    schema, value = case
    text = json.dumps(value, ensure_ascii=False).encode()
    language = json_language(schema)
    assert text in language
    assert language.shortest <= len(text)
    assert text + b" " not in language


@given(STRINGS)
def test_escaped_strings_are_in_the_language(value):
    text = json.dumps(value)
    if "\\ud" not in text:  # pairs of surrogate escapes: such characters are written as UTF-8
        assert text.encode() in json_language({"type": "string"})


NOT_JSON = {
    "integer": ["01", "-", "+1", "1.0", "", "1 "],
    "number": ["1.", ".5", "1e", "NaN", "Infinity", "0x1"],
    "string": ['"', '"a', '"\\x"', '"\n"', '"\\u12"', '"\\ud800"', "'a'"],
    "boolean": ["True", "tru", "1"],
}


@pytest.mark.parametrize("kind", NOT_JSON)
def test_what_is_no_json_is_not_in_the_language(kind):
    language = json_language({"type": kind})
    assert not [text for text in NOT_JSON[kind] if text.encode() in language]


@given(st.binary(max_size=6))
def test_strings_hold_valid_utf8_alone(raw):
    if b'"' in raw or b"\\" in raw or any(byte < 0x20 for byte in raw):
        return
    try:
        valid = raw.decode() is not None
    except UnicodeDecodeError:
        valid = False
    assert (b'"' + raw + b'"' in json_language({"type": "string"})) == valid


EOS, SPECIALS = 0, (0, 1)
WORDS = [b"ab", b'": ', b'{"', b'", "', b"12", b" a", b"true", b"\xc3\xa9", b'"}', b"null", b"\\u"]
VOCABULARY = [b"<eos>", b"<user>", *(bytes([b]) for b in range(256)), *WORDS]
MASKS = TokenMasks(VOCABULARY, eos_id=EOS, never=SPECIALS)


def test_masks_by_hand():
    state = json_language({"enum": ["ab", "a"]})
    allowed = (MASKS.needs(state) < float("inf")).nonzero().squeeze(1).tolist()
    assert [VOCABULARY[i] for i in allowed] == [b'"']
    state = state.reading(b'"')
    needs = {VOCABULARY[i]: n for i, n in enumerate(MASKS.needs(state).tolist()) if n < 1e9}
    # a: itself, the quote, the end. ab: the same. No token may leave the language half-way.
    assert needs == {b"a": 3, b"ab": 3}
    end = state.reading(b'ab"')
    assert (MASKS.needs(end) < 1e9).nonzero().squeeze(1).tolist() == [EOS]


@settings(max_examples=10)
@given(WITH_VALUES)
def test_needs_equals_trying_every_token(case):
    """The walk through the tree against the definition, token by token."""
    language = json_language(case[0])
    needs = MASKS.needs(language)
    for i, raw in enumerate(VOCABULARY):
        after = NOTHING if i in SPECIALS else language.reading(raw)
        want = 2 + after.shortest if i != EOS else 1 if language.nullable else float("inf")
        assert needs[i] == want


MODEL = lively(
    ModelConfig(
        vocab_size=len(VOCABULARY),
        d_model=24,
        n_layers=1,
        n_heads=2,
        n_kv_heads=1,
        d_ff=32,
        max_seq=128,
    )
)


@settings(max_examples=15)
@given(WITH_VALUES, st.integers(0, 2**30), st.integers(0, 20))
def test_every_text_parses_with_any_budget(case, seed, spare):
    """A model that knows nothing, at any seed, with as little room as the shortest value takes."""
    schema, _ = case
    language = json_language(schema)
    room = int(language.shortest) + 1 + spare
    constraints = [GrammarConstraint(MASKS, language) for _ in range(3)]
    replies = generate(
        MODEL,
        [[2, 3]] * 3,
        max_new_tokens=room,
        stop_ids=(EOS,),
        filters=Filters(),
        constraints=constraints,
        generator=torch.Generator().manual_seed(seed),
    )
    for reply, constraint in zip(replies, constraints, strict=True):
        assert constraint.ended and reply[-1] == EOS and len(reply) <= room
        raw = b"".join(VOCABULARY[i] for i in reply[:-1])
        assert fits(json.loads(raw.decode("utf-8")), schema), (schema, raw)


def fits(value, schema: dict) -> bool:
    """Does a parsed value obey the schema? Written without the grammar."""
    if "anyOf" in schema:
        return any(fits(value, option) for option in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema["type"]
    if kind == "object":
        wanted = schema["properties"]
        right = isinstance(value, dict) and list(value) == list(wanted)
        return right and all(fits(value[k], wanted[k]) for k in wanted)
    if kind == "array":
        room = schema.get("maxItems", float("inf"))
        right = isinstance(value, list) and len(value) <= room
        return right and all(fits(item, schema["items"]) for item in value)
    if kind == "string":
        return isinstance(value, str) and len(value) <= schema.get("maxLength", float("inf"))
    if kind == "integer" and "minimum" in schema:
        return isinstance(value, int) and schema["minimum"] <= value <= schema["maximum"]
    kinds = {"null": type(None), "boolean": bool, "integer": int, "number": int | float}
    return isinstance(value, kinds[kind])


def test_logits_are_masked_and_never_changed(monkeypatch):
    """What the filters are given is the model's own logit, or -inf."""
    given_to_filters = []
    choose = Filters.choose

    def spy(self, logits, seen=None, generator=None):
        given_to_filters.append(logits.clone())
        return choose(self, logits, seen, generator)

    monkeypatch.setattr(Filters, "choose", spy)
    constraint = GrammarConstraint(MASKS, json_language({"type": "array", "items": {"enum": [1]}}))
    reply = generate(
        MODEL,
        [[2, 3]],
        max_new_tokens=12,
        stop_ids=(EOS,),
        filters=Filters(),
        constraints=[constraint],
        generator=torch.Generator().manual_seed(0),
    )[0]
    with torch.no_grad():
        free = MODEL(torch.tensor([[2, 3, *reply]]))[0, 1:-1]
    masked = torch.cat(given_to_filters)
    left = masked.isfinite()
    assert (masked[left] - free[left]).abs().max() < 1e-5
    assert 0 < int(left.sum()) < left.numel() / 20


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "date"}, "type is 'date', expected one of null, boolean, integer"),
        ({}, "type is None"),
        ({"type": "string", "pattern": "a+"}, "pattern: unknown here, expected maxLength"),
        ({"type": "integer", "minimum": 3}, "minimum is 3 and maximum None, expected both"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "minimum is 3 and maximum 2"),
        ({"enum": []}, "enum is empty"),
        ({"type": "array"}, "an array needs items"),
        ({"type": "string", "minLength": 4, "maxLength": 2}, "least is 4 and most 2"),
        (
            {"type": "array", "items": {"type": "null"}, "minItems": 3, "maxItems": 1},
            "minItems is 3 and maxItems 1",
        ),
    ],
)
def test_bad_schemas_are_named(schema, message):
    with pytest.raises(ValueError, match=message):
        json_language(schema)


def test_bad_uses_are_named():
    with pytest.raises(ValueError, match="255 bytes are no token by themselves, the first is 0x00"):
        TokenMasks([b"<eos>", b"a"], eos_id=0)
    with pytest.raises(ValueError, match="the item may be empty"):
        repeat(repeat(A))
    with pytest.raises(ValueError, match="the language is empty"):
        GrammarConstraint(MASKS, NOTHING)
    with pytest.raises(ValueError, match="5 tokens are left, expected at least 6"):
        GrammarConstraint(MASKS, json_language({"enum": ["xyz"]})).allowed(5)
    constraint = GrammarConstraint(MASKS, json_language({"type": "null"}))
    with pytest.raises(ValueError, match=r"token 99 .* is not allowed here"):
        constraint.advance(99)
    constraint.advance(VOCABULARY.index(b"null"))
    constraint.advance(EOS)
    with pytest.raises(ValueError, match="the text has ended"):
        constraint.allowed(9)
